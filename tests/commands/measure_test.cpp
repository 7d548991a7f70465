#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "../support/process.h"
#include "../support/scratch.h"
#include "emotion/data/manifest.h"
#include "emotion/data/synth.h"
#include "emotion/io/weights.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"

// emotion_eval, emotion_probe and emotion_search as they are called: results, and what they say of input that cannot be right.
namespace emotion {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kMoods{"amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"};

class MeasureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder;
    write_synth({.kind = "affect", .out = root() / "moods", .count = 60, .size = 32, .workers = 1});
    write_classifier("net.safetensors", kMoods);
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static const fs::path& root() { return folder_->path(); }

  static ModelInfo info(const std::string& task, const std::vector<std::string>& classes) {
    return {.task = task,
            .config = "task: " + task + "\nmodel: {backbone: resnet18}\ndata: {resize: 32, size: 32}\n",
            .classes = classes};
  }
  static void write_classifier(const std::string& name, const std::vector<std::string>& classes) {
    at::manual_seed(1);
    ImageClassifier network("resnet18", static_cast<std::int64_t>(classes.size()));
    StateDict state = module_state(*network);
    state.metadata = info("classifier", classes).to_metadata();
    write_safetensors(root() / name, state);
  }
  /// A data set whose images are the given lines'.
  static void write_dataset(const std::string& name, const std::vector<std::string>& classes, const std::string& lines) {
    write_text(root() / name / "dataset.yaml",
               fmt::format("name: {}\nclasses: [{}]\nimage_root: ../moods\nsplits: {{train: all.jsonl, test: all.jsonl}}\n", name,
                           fmt::join(classes, ", ")));
    write_text(root() / name / "all.jsonl", lines);
  }
  static std::string image(int i) { return fmt::format("images/000/{:07}.jpg", i); }

  static Process::Result run(std::vector<std::string> arguments) {
    arguments[0] = std::string(EMOTION_BIN) + "/" + arguments[0];
    arguments.insert(arguments.end(), {"--log-level", "warning"});
    return Process(root(), arguments).wait();
  }
  static void refuses(const std::vector<std::string>& arguments, int code, const std::string& error) {
    const auto result = run(arguments);
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(result.errors, error + "\n");
    EXPECT_FALSE(fs::exists(root() / "out")) << "nothing half-written";
    fs::remove_all(root() / "out");
  }
  static nlohmann::json metrics(const std::string& out) {
    return nlohmann::json::parse(read_file(root() / out / "metrics.json"));
  }

  static ScratchFolder* folder_;
};
ScratchFolder* MeasureTest::folder_ = nullptr;

TEST_F(MeasureTest, ClassesThatAreNotTheDataSets) {
  write_dataset("others", {"happy", "sad"}, "{\"image\": \"" + image(0) + "\", \"labels\": [\"sad\"]}\n");
  const std::string yaml = "others/dataset.yaml: its classes (happy, sad) are not those of the training data (" +
                           fmt::format("{}", fmt::join(kMoods, ", ")) + ")";
  refuses({"emotion_eval", "--checkpoint", "net.safetensors", "--data", "others", "--output", "out"}, 3, yaml);
}

TEST_F(MeasureTest, ASingleClassAndOneThatIsMissing) {
  std::string awe, two;
  for (int i = 0; i < 4; ++i) awe += "{\"image\": \"" + image(i) + "\", \"labels\": [\"awe\"]}\n";
  for (int i = 0; i < 8; ++i) two += "{\"image\": \"" + image(i) + "\", \"labels\": [\"" + (i % 2 ? "awe" : "fear") + "\"]}\n";
  write_dataset("one", {"awe", "fear"}, awe);
  refuses({"emotion_probe", "--checkpoint", "net.safetensors", "--data", "one", "--output", "out", "--no-cache"}, 3,
          "probe: all 4 training samples are of class 'awe'; at least two classes are needed");
  write_dataset("two", {"awe", "fear", "joy"}, two);
  const auto result =
      run({"emotion_probe", "--checkpoint", "net.safetensors", "--data", "two", "--output", "out-two", "--no-cache"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(
      result.errors,
      "warning: probe: no training sample of joy: never predicted\nwarning: probe: no test sample of joy: left out of mAP\n");
  EXPECT_TRUE(metrics("out-two")["per_class"]["joy"]["ap"].is_null());
}

TEST_F(MeasureTest, MoreNeighboursOrFoldsThanSamples) {
  const std::vector<std::string> probe{"emotion_probe", "--checkpoint", "net.safetensors", "--data", "moods",
                                       "--output",      "out",          "--no-cache"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), probe.begin(), probe.end());
    return more;
  };
  refuses(with({"--method", "knn", "--k", "49"}), 3, "knn: k is 49, there are 48 training samples");
  refuses(with({"--folds", "7", "--test-split", "test"}), 2, "--test-split belongs to a probe without folds");
  refuses(with({"--lr", "0.1"}), 2, "--lr belongs to --solver sgd");
  refuses(with({"--method", "knn", "--C", "1"}), 2, "--C belongs to --solver lbfgs");
  refuses(with({"--crop-box"}), 3, "moods/train.jsonl: box crops are asked for, and no sample has a box");
}

// oneDNN's fused ReLU turns NaN into 0: the features would be finite.
TEST_F(MeasureTest, ABrokenNetworkIsNamedByItsTensors) {
  StateDict state = read_safetensors(root() / "net.safetensors");
  at::Tensor bias = *state.find("backbone.bn1.bias");
  bias[3] = NAN;
  write_safetensors(root() / "broken.safetensors", state);
  const std::string error = "broken.safetensors: backbone.bn1.bias holds NaN or infinite values";
  refuses({"emotion_eval", "--checkpoint", "broken.safetensors", "--data", "moods", "--output", "out"}, 3, error);
  refuses({"emotion_probe", "--checkpoint", "broken.safetensors", "--data", "moods", "--output", "out", "--no-cache"}, 3, error);
}

// EMOTIC-B: what a box shows is what the same pixels show as a picture of their own.
TEST_F(MeasureTest, ABoxIsAPictureOfItsOwn) {
  fs::create_directories(root() / "pixels");
  cv::Mat left(32, 32, CV_8UC3, cv::Scalar(20, 60, 220)), right(32, 32, CV_8UC3, cv::Scalar(200, 180, 10)), both;
  cv::hconcat(left, right, both);
  for (const auto& [name, picture] : {std::pair{"left", left}, {"right", right}, {"both", both}})
    cv::imwrite((root() / "pixels" / (name + std::string(".png"))).string(), picture);
  const auto dataset = [&](const char* name, const std::string& lines) {
    write_text(root() / name / "dataset.yaml",
               fmt::format("name: {}\nclasses: [{}]\nimage_root: ../pixels\nsplits: {{test: all.jsonl}}\n", name,
                           fmt::join(kMoods, ", ")));
    write_text(root() / name / "all.jsonl", lines);
  };
  dataset("boxes",
          "{\"image\": \"both.png\", \"labels\": [\"awe\"], \"box\": [0, 0, 32, 32]}\n"
          "{\"image\": \"both.png\", \"labels\": [\"fear\"], \"box\": [32, 0, 32, 32]}\n");
  dataset("crops", "{\"image\": \"left.png\", \"labels\": [\"awe\"]}\n{\"image\": \"right.png\", \"labels\": [\"fear\"]}\n");
  const auto probabilities = [&](const std::string& data, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"emotion_eval", "--checkpoint", "net.safetensors", "--data",
                                       data,           "--output",     "out-" + data};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.errors;
    std::vector<double> values;
    const auto json = metrics("out-" + data);
    for (const auto& example : json["examples"]) values.push_back(example["probability"]);
    return values;
  };
  const auto crops = probabilities("crops", {}), boxes = probabilities("boxes", {"--crop-box"}),
             whole = probabilities("boxes", {});
  EXPECT_EQ(boxes, crops);
  EXPECT_NE(whole, crops);
  refuses({"emotion_eval", "--checkpoint", "net.safetensors", "--data", "crops", "--crop-box", "--output", "out"}, 3,
          "crops/all.jsonl: box crops are asked for, and no sample has a box");
}

TEST_F(MeasureTest, SearchByWords) {
  at::manual_seed(2);
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .head = Head::kTwoBranch, .classes = 8, .embedding = 4});
  StateDict state = module_state(*network);
  state.metadata = info("emotionnet", kMoods).to_metadata();
  write_safetensors(root() / "joint.safetensors", state);
  write_text(root() / "four.txt", "2 4\njoy 1 0 0 0\nfear 0 1 0 0\n");
  write_text(root() / "three.txt", "1 3\njoy 1 0 0\n");
  for (const char* space : {"joint", "features"})
    EXPECT_EQ(
        run({"emotion_search", "index", "--checkpoint", "joint.safetensors", "--data", "moods", "--space", space, "--out", space})
            .code,
        0);
  const auto text = [](const std::string& index, const std::string& vectors, const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"emotion_search", "text", "--index", index, "--word2vec", vectors};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return arguments;
  };
  refuses(text("joint", "three.txt", {"joy"}), 3,
          "three.txt: its vectors have 3 numbers, those of joint have 4; --word2vec wants the file that the network was "
          "trained with");
  refuses(text("joint", "four.txt", {"glee", "mirth"}), 3, "four.txt: there is no vector for glee, mirth");
  refuses(text("features", "four.txt", {"joy"}), 3,
          "features: it holds features of pictures; words want an index made with --space joint");
  refuses({"emotion_search", "image", "--index", "joint", "--checkpoint", "net.safetensors", "moods/" + image(0)}, 3,
          "joint: made with other weights than net.safetensors; make it again with emotion_search index");
  refuses({"emotion_search", "index", "--checkpoint", "joint.safetensors", "--data", "moods", "--out", "gone/x"}, 1,
          "gone/x: cannot be written: No such file or directory");
  const auto some = run(text("joint", "four.txt", {"glee", "joy"})), joy = run(text("joint", "four.txt", {"joy"}));
  EXPECT_EQ(some.code, 0);
  EXPECT_EQ(some.errors, "warning: four.txt: there is no vector for glee: the other words are searched for\n");
  EXPECT_EQ(some.output, joy.output);
}

}  // namespace
}  // namespace emotion
