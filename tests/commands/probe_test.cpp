#include <algorithm>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "emotion/config/run_config.h"
#include "emotion/io/mapped_tensor.h"
#include "measure.h"

// emotion_probe as it is called: its flags, --set, and what it is measured on.
namespace emotion {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ProbeCommandTest : public MeasureTest {
 protected:
  static void SetUpTestSuite() {
    MeasureTest::SetUpTestSuite();
    write_eight("eight");
  }
  static Words probe(const Words& more, const std::string& out, const std::string& data = "eight") {
    Words words{"emotion_probe", "--data", data, "--output", out};
    if (std::find(more.begin(), more.end(), "--cache") == more.end()) words.push_back("--no-cache");
    if (std::find(more.begin(), more.end(), "--checkpoint") == more.end())
      words.insert(words.end(), {"--checkpoint", "net.safetensors"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// metrics.json of a probe that must succeed.
  static nlohmann::json measured(const Words& more, const std::string& data = "eight") {
    text_ = output(probe(more, "measured", data));
    return metrics("measured");
  }
  static at::Tensor fitted() { return *read_safetensors(root() / "measured/probe.safetensors").find("classifier.weight"); }

  inline static std::string text_;  // what the last one printed
};

TEST_F(ProbeCommandTest, SetReachesEveryKeyAndFlagsAreOverIt) {
  EXPECT_EQ(measured({"--set", "probe.method=knn", "--set", "probe.k=5"})["probe"]["method"], "knn");
  EXPECT_THAT(text_, StartsWith("knn probe of net.safetensors\n"));
  EXPECT_EQ(measured({"--set", "probe.method=knn", "--set", "probe.k=5"})["probe"]["trials"][0]["setting"], 5);
  const auto flag = measured({"--set", "probe.method=knn", "--method", "linear", "--set", "probe.C=0.5"})["probe"];
  EXPECT_EQ(flag["method"], "linear");
  EXPECT_EQ(flag["solver"], "lbfgs") << "the default without --config";
  EXPECT_EQ(flag["trials"][0]["setting"], 0.5);
  EXPECT_EQ(measured({"--set", "data.fraction=0.5"})["probe"]["trials"][0]["samples"], 20);
  EXPECT_EQ(measured({"--set", "seed=7"})["probe"]["trials"][0]["seed"], 7);
  EXPECT_EQ(measured({"--set", "probe.solver=sgd", "--set", "probe.epochs=2"})["probe"]["solver"], "sgd");
  output({"emotion_probe", "--checkpoint", "net.safetensors", "--data", "eight", "--no-cache", "--set", "output=by-set"});
  EXPECT_EQ(metrics("by-set")["probe"]["method"], "linear");
  refuses(probe({"--set", "probe.methd=knn"}, "out"), 2,
          "--set probe.methd=knn: unknown key probe.methd; did you mean probe.method?");
  refuses(probe({"--set", "data.val={dataset: eight, split: test}"}, "out"), 2,
          "--set data.val={dataset: eight, split: test}: --data names the data already, --train-split, --val-split and "
          "--test-split its splits; leave one out");
}

TEST_F(ProbeCommandTest, NoClassifierOfAnEarlierProbeStaysBesideTheResult) {
  output(probe({}, "twice"));
  EXPECT_TRUE(fs::exists(root() / "twice/probe.safetensors"));
  output(probe({"--method", "knn", "--k", "3"}, "twice"));
  EXPECT_EQ(metrics("twice")["probe"]["method"], "knn");
  EXPECT_FALSE(fs::exists(root() / "twice/probe.safetensors"));
}

TEST_F(ProbeCommandTest, ASweepOverSeedsOfAFraction) {
  const auto json = measured({"--sweep", "0.001,1", "--seeds", "2", "--fraction", "0.5", "--one-vs-all"});
  const auto& probe = json["probe"];
  ASSERT_EQ(probe["trials"].size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(probe["trials"][i]["seed"], i + 1);
    EXPECT_EQ(probe["trials"][i]["samples"], 20) << "half of 40";
  }
  ASSERT_EQ(probe["sweep"].size(), 2U);
  const std::size_t best = probe["sweep"][1]["validation"] > probe["sweep"][0]["validation"] ? 1 : 0;
  EXPECT_EQ(probe["trials"][0]["setting"], probe["sweep"][best]["setting"]);
  EXPECT_EQ(probe["trials"][0]["validation"], probe["sweep"][best]["validation"]);
  const double a = probe["trials"][0]["score"], b = probe["trials"][1]["score"];
  EXPECT_NEAR(probe["mean"], (a + b) / 2, 1e-12);
  EXPECT_NEAR(probe["std"], std::abs(a - b) / std::sqrt(2.0), 1e-12);
  EXPECT_EQ(probe["binary_accuracy"].size(), 8U);
  EXPECT_THAT(text_, HasSubstr(fmt::format("top1 over 2 fits: {:.4f} +- ", (a + b) / 2)));
  EXPECT_THAT(text_, HasSubstr("one against all: mean accuracy "));
  // The setting that was chosen, by itself.
  const auto direct = measured({"--C", fmt::format("{:g}", probe["trials"][0]["setting"].get<double>()), "--fraction", "0.5",
                                "--one-vs-all", "--seed", "1"});
  EXPECT_EQ(direct["top1"], a);
  EXPECT_EQ(direct["probe"]["binary_accuracy"], probe["binary_accuracy"]);
}

TEST_F(ProbeCommandTest, EpochSamplesAreTheSgdsAlone) {
  const Words sgd{"--solver", "sgd", "--epochs", "2"};
  measured(sgd);
  const at::Tensor all = fitted();
  Words some = sgd;
  some.insert(some.end(), {"--epoch-samples", "16"});
  measured(some);
  const at::Tensor sixteen = fitted();
  EXPECT_FALSE(at::equal(all, sixteen));
  measured(some);
  EXPECT_TRUE(at::equal(fitted(), sixteen));
  refuses(probe({"--epoch-samples", "16"}, "out"), 2, "--epoch-samples belongs to --solver sgd");
}

// Views are for training; folds score pictures as an evaluation sees them.
TEST_F(ProbeCommandTest, ViewsAreTrainedOnAndFoldsAreScoredWithoutThem) {
  measured({"--views", "3", "--folds", "2", "--cache", "kept"});
  std::vector<std::int64_t> views;
  for (const auto& entry : fs::directory_iterator(root() / "kept")) {
    if (entry.path().extension() == ".safetensors") views.push_back(map_tensor(entry.path(), "features").tensor.size(0));
  }
  std::sort(views.begin(), views.end());
  EXPECT_EQ(views, (std::vector<std::int64_t>{1, 3}));
  const Words still{"--set", "data.augment=center_crop", "--set", "data.flip=false", "--folds", "2"};
  Words twice = still;
  twice.insert(twice.end(), {"--views", "2"});
  EXPECT_EQ(measured(twice)["top1"], measured(still)["top1"]) << "views that are all the picture itself";
  refuses(probe({"--views", "2", "--method", "knn"}, "out"), 2, "probe.method knn takes neither views nor one_vs_all");
}

TEST_F(ProbeCommandTest, WhatASweepChoosesIsNotGiven) {
  for (const Words& flags : {Words{"--C", "2"}, Words{"--lr", "2", "--solver", "sgd"}, Words{"--k", "2", "--method", "knn"}}) {
    Words more = flags;
    more.insert(more.end(), {"--sweep", "1,3"});
    refuses(probe(more, "out"), 2, flags[0] + " belongs to a probe without a sweep, which chooses it");
  }
}

// Features may take hours: what does not go together is said before.
TEST_F(ProbeCommandTest, APlanIsRefusedBeforeFeaturesAreComputed) {
  for (const auto& [more, code, error] :
       {std::tuple{Words{"--views", "2", "--method", "knn"}, 2, "probe.method knn takes neither views nor one_vs_all"},
        {Words{"--views", "1", "--method", "knn"}, 2, "probe.method knn takes neither views nor one_vs_all"},
        {Words{"--set", "probe.folds=1"}, 2, "probe.folds is 1; 0 (none) or at least 2"},
        {Words{"--folds", "2", "--fraction", "0.5"}, 2, "probe.folds and a fraction of the training data do not go together"},
        {Words{"--method", "knn", "--sweep", "1,2.5"}, 2, "probe.sweep: 2.5 is no number of neighbours"},
        {Words{"--folds", "6"}, 3, "probe: 6 folds, but class 'amusement' has 5 samples; at most as many folds as those"}}) {
    Words words = probe(more, "out");
    std::erase(words, "--no-cache");
    words.insert(words.end(), {"--cache", "early"});
    refuses(words, code, error);
    EXPECT_FALSE(fs::exists(root() / "early")) << error;
  }
}

TEST_F(ProbeCommandTest, RandomWeightsArePinnedByTheirSeed) {
  const Words random{"--checkpoint", "random",         "--set", "model.backbone=resnet18",
                     "--set",        "data.resize=32", "--set", "data.size=32"};
  EXPECT_EQ(measured(random)["probe"]["weights"], "random");
  EXPECT_EQ(metrics("measured")["probe"]["dimension"], 512);
  const at::Tensor first = fitted();
  measured(random);
  EXPECT_TRUE(at::equal(fitted(), first));
  Words other = random;
  other.insert(other.end(), {"--seed", "2"});
  measured(other);
  EXPECT_FALSE(at::equal(fitted(), first));
}

// A plain .pth of torchvision's names: the same backbone gives the same features.
TEST_F(ProbeCommandTest, APlainBackboneIsABaseline) {
  write_pth(root() / "plain.pth", plain_backbone(read_safetensors(root() / "net.safetensors")));
  const auto json = measured(
      {"--checkpoint", "plain.pth", "--set", "model.backbone=resnet18", "--set", "data.resize=32", "--set", "data.size=32"});
  EXPECT_EQ(json["probe"]["weights"], "plain.pth");
  const at::Tensor weights = fitted();
  auto own = measured({});
  own["probe"]["weights"] = "plain.pth";
  EXPECT_EQ(json, own);
  EXPECT_TRUE(at::equal(weights, fitted()));
}

TEST_F(ProbeCommandTest, SeveralLabelsAreMeasuredByMeanAveragePrecision) {
  std::string lines;
  for (int i = 0; i < 24; ++i)
    lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"{}\"]}}\n", image(i),
                         i % 3 == 0   ? "awe"
                         : i % 3 == 1 ? "fear"
                                      : "awe\", \"fear");
  write_dataset("several", {"awe", "fear"}, lines);
  const auto json = measured({}, "several");
  EXPECT_EQ(json["probe"]["score"], "mAP");
  EXPECT_EQ(json["probe"]["mean"], json["mAP"]);
  EXPECT_NEAR(json["mAP"], (json["per_class"]["awe"]["ap"].get<double>() + json["per_class"]["fear"]["ap"].get<double>()) / 2,
              1e-12);
  EXPECT_EQ(json["per_class"]["awe"]["positives"], 16);
}

// What a box shows is what the same pixels show as pictures of their own.
TEST_F(ProbeCommandTest, ABoxIsAPictureOfItsOwn) {
  std::string boxes, crops;
  fs::create_directories(root() / "pixels");
  for (int i = 0; i < 4; ++i) {
    cv::Mat left(32, 32, CV_8UC3, cv::Scalar(20, 60 + 9 * i, 220)), right(32, 32, CV_8UC3, cv::Scalar(200, 180, 10 + 9 * i)),
        both;
    cv::hconcat(left, right, both);
    for (const auto& [name, picture] : {std::pair{"left", left}, {"right", right}, {"both", both}})
      cv::imwrite((root() / "pixels" / fmt::format("{}{}.png", name, i)).string(), picture);
    for (const auto& [name, label, x] : {std::tuple{"left", "awe", 0}, {"right", "fear", 32}}) {
      boxes += fmt::format("{{\"image\": \"both{}.png\", \"labels\": [\"{}\"], \"box\": [{}, 0, 32, 32]}}\n", i, label, x);
      crops += fmt::format("{{\"image\": \"{}{}.png\", \"labels\": [\"{}\"]}}\n", name, i, label);
    }
  }
  for (const auto& [name, lines] : {std::pair{"boxes", boxes}, {"crops", crops}}) {
    write_dataset(name, {"awe", "fear"}, lines);
    write_text(root() / name / "dataset.yaml", fmt::format("name: {}\nclasses: [awe, fear]\nimage_root: ../pixels\nsplits: "
                                                           "{{train: all.jsonl, test: all.jsonl}}\n",
                                                           name));
  }
  const auto from_crops = measured({}, "crops");
  const at::Tensor weights = fitted();
  EXPECT_EQ(measured({"--crop-box"}, "boxes"), from_crops);
  EXPECT_TRUE(at::equal(fitted(), weights));
  EXPECT_EQ(from_crops["top1"], 1.0);
  EXPECT_LT(measured({}, "boxes")["top1"], 1.0) << "the whole pictures have both labels";
}

TEST_F(ProbeCommandTest, FineTuningTrainsTheNetworkThatItIsToldTo) {
  const auto json = measured({"--method", "fine_tune", "--set", "train.epochs=1", "--batch", "20", "--device", "cpu", "--workers",
                              "1", "--set", "optimizer.lr=0.01", "--fraction", "0.5"});
  EXPECT_EQ(json["probe"]["method"], "fine_tune");
  EXPECT_EQ(json["probe"]["trials"][0]["samples"], 20);
  EXPECT_EQ(json["probe"]["score"], "top1");
  EXPECT_EQ(json["probe"]["mean"], json["top1"]);
  const fs::path run_folder = root() / "measured/fine_tune";
  const RunConfig trained = parse_run_config(read_file(run_folder / "config.yaml"), "config.yaml");
  EXPECT_EQ(trained.task, "classifier");
  EXPECT_EQ(trained.train.epochs, 1);
  EXPECT_EQ(trained.train.batch, 20);
  EXPECT_EQ(trained.device, "cpu");
  EXPECT_EQ(trained.data.workers, 1);
  EXPECT_EQ(trained.data.size, 32) << "as the checkpoint's";
  EXPECT_EQ(trained.data.resize, 32);
  EXPECT_EQ(trained.model.backbone, "resnet18");
  EXPECT_EQ(trained.model.init, "net.safetensors");
  EXPECT_EQ(trained.optimizer.lr, 0.01);
  const StateDict before = read_safetensors(root() / "net.safetensors"),
                  after = read_safetensors(run_folder / "checkpoints/last/model.safetensors");
  EXPECT_FALSE(at::equal(*before.find("backbone.conv1.weight"), *after.find("backbone.conv1.weight"))) << "to the first layer";
  // What was measured is what the run folder holds.
  output({"emotion_eval", "--checkpoint", "measured/fine_tune", "--data", "eight", "--output", "again", "--bootstrap", "0"});
  EXPECT_EQ(metrics("again")["top1"], json["top1"]);
  EXPECT_EQ(metrics("again")["classes"], json["classes"]);
  refuses(
      probe({"--method", "fine_tune", "--folds", "2"}, "out"), 2,
      "probe.method fine_tune trains once on whole pictures: folds, seeds, sweep, one_vs_all, views and crop_box belong to the "
      "other methods");
}

TEST_F(ProbeCommandTest, FineTuningOfOtherWeightsIsNotTheOldResult) {
  write_classifier("mine.safetensors", kMoods, 3);
  const Words words = probe({"--checkpoint", "mine.safetensors", "--method", "fine_tune", "--set", "train.epochs=1", "--batch",
                             "20", "--device", "cpu", "--workers", "1", "--set", "optimizer.lr=0.01", "--fraction", "0.5"},
                            "mine");
  output(words);
  const auto first = metrics("mine");
  fs::remove(root() / "mine/metrics.json");
  output(words);
  EXPECT_EQ(metrics("mine"), first) << "what has ended is measured again";
  write_classifier("mine.safetensors", kMoods, 4);
  refuses(words, 2,
          "mine/fine_tune: mine.safetensors changed since its training began; remove the folder to train anew, or give another "
          "--output");
}

// What chooses must not see what measures.
TEST_F(ProbeCommandTest, NoCheckpointIsChosenOnTheTestData) {
  const std::string error =
      "probe: the best checkpoint would be chosen on the test data; --val-split names other data; without any (no data.val) the "
      "last checkpoint is measured";
  refuses(probe({"--method", "fine_tune", "--val-split", "test"}, "out"), 2, error);
  refuses(probe({"--sweep", "1,2", "--val-split", "test"}, "out"), 2,
          "probe: the sweep would be chosen on the test data; --val-split names other data");
  const auto config = [](const std::string& val) {
    write_text(root() / "tune.yaml",
               "task: classifier\nmodel: {backbone: resnet18}\ndata: {train: {dataset: eight, split: train}, val: " + val +
                   ", resize: 32, size: 32}\nprobe: {method: fine_tune, checkpoint: net.safetensors, test: {dataset: "
                   "./eight, split: test}}\noutput: out\n");
  };
  config("{dataset: eight, split: test}");
  refuses({"emotion_probe", "--config", "tune.yaml"}, 2, error);
  refuses({"emotion_probe", "--config", "tune.yaml", "--set", "probe.method=linear", "--sweep", "1,2"}, 2,
          "probe: the sweep would be chosen on the test data; --val-split names other data");
}

// 'all' holds the samples of every other split.
TEST_F(ProbeCommandTest, NothingIsTrainedOnTheTestData) {
  const std::string error = "probe: the test data would be trained on; --train-split or --test-split names other data",
                    folds = ", or --folds N parts the training data";
  for (const Words& splits :
       {Words{"--train-split", "test"}, Words{"--test-split", "train"}, Words{"--train-split", "all", "--test-split", "all"},
        Words{"--train-split", "all"}, Words{"--test-split", "all"}})
    refuses(probe(splits, "out"), 2, error + folds);
  refuses(probe({"--method", "fine_tune", "--train-split", "test"}, "out"), 2, error);
  write_text(root() / "same.yaml",
             "task: classifier\nmodel: {backbone: resnet18}\ndata: {train: {dataset: eight, split: test}, resize: 32, size: "
             "32}\nprobe: {checkpoint: net.safetensors, test: {dataset: ./eight, split: test}}\noutput: out\n");
  refuses({"emotion_probe", "--config", "same.yaml"}, 2, error + folds);
  refuses(probe({"--sweep", "1,2", "--val-split", "all"}, "out"), 2,
          "probe: the sweep would be chosen on the test data; --val-split names other data");
  EXPECT_EQ(measured({"--train-split", "test", "--folds", "2"})["probe"]["trials"].size(), 2U) << "folds test what they left out";
}

TEST_F(ProbeCommandTest, AValidationSplitIsOfTheValidationData) {
  refuses(probe({"--val-split", "nosuch"}, "out"), 2, "--val-split belongs to --sweep or --method fine_tune");
  write_text(root() / "other/dataset.yaml", read_file(root() / "eight/dataset.yaml"));
  write_text(root() / "other/all.jsonl", read_file(root() / "eight/all.jsonl"));
  write_text(
      root() / "val.yaml",
      "task: classifier\nmodel: {backbone: resnet18}\ndata: {train: {dataset: eight, split: train}, val: {dataset: other, "
      "split: train}, resize: 32, size: 32}\nprobe: {solver: lbfgs, sweep: [1, 2], checkpoint: net.safetensors}\noutput: out\n");
  refuses({"emotion_probe", "--config", "val.yaml", "--no-cache", "--val-split", "dev"}, 3,
          "other/dataset.yaml: there is no split 'dev'; there are train, test");
}

}  // namespace
}  // namespace emotion
