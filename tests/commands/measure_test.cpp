#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "emotion/commands/eval.h"
#include "emotion/commands/search.h"
#include "emotion/error.h"
#include "measure.h"

// emotion_eval and emotion_probe as they are called: what they say of input that cannot be right.
namespace emotion {
namespace {

TEST_F(MeasureTest, ClassesThatAreNotTheDataSets) {
  write_dataset("others", {"happy", "sad"}, "{\"image\": \"" + image(0) + "\", \"labels\": [\"sad\"]}\n");
  const std::string yaml = "others/dataset.yaml: its classes (happy, sad) are not those of the training data (" +
                           fmt::format("{}", fmt::join(kMoods, ", ")) + ")";
  refuses({"emotion_eval", "--checkpoint", "net.safetensors", "--data", "others", "--output", "out"}, 3, yaml);
}

TEST_F(MeasureTest, ErrorsNameTheNetworkThatTheyAreAbout) {
  write_classifier("two.safetensors", {"happy", "sad"});
  refuses(
      {"emotion_eval", "--checkpoint", "net.safetensors", "--compare", "two.safetensors", "--data", "moods", "--output", "out"},
      3,
      "warning: no sample of 5 of 8 classes: awe, anger, disgust, fear, sadness; they do not count in mAP\n"
      "--compare two.safetensors: moods/dataset.yaml: its classes (amusement, contentment, awe, excitement, fear, sadness, "
      "disgust, anger) are not those of the training data (happy, sad)");
  write_text(root() / "config.yaml", "task: classifier\n");
  refuses({"emotion_eval", "--checkpoint", "config.yaml"}, 3,
          "config.yaml: not a weights file: neither safetensors nor torch.save's forms");
  refuses({"emotion_eval", "--checkpoint", "two.safetensors"}, 2, "--data is missing: the checkpoint names no validation data");
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

TEST_F(MeasureTest, ABrokenPictureIsNamedWithWhatToDo) {
  write_text(root() / "torn/dataset.yaml",
             fmt::format("classes: [{}]\nsplits: {{train: all.jsonl, test: all.jsonl}}\n", fmt::join(kMoods, ", ")));
  write_text(root() / "torn/all.jsonl", R"({"image": "1.jpg", "labels": ["awe"]})"
                                        "\n"
                                        R"({"image": "2.jpg", "labels": ["fear"]})"
                                        "\n");
  fs::copy_file(root() / "moods" / image(0), root() / "torn/1.jpg");
  write_text(root() / "torn/2.jpg", "<html>");
  fs::create_directories(root() / "loose");
  for (const char* name : {"1.jpg", "2.jpg"}) fs::copy_file(root() / "torn" / name, root() / "loose" / name);
  const std::string why = "2.jpg: not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read; ";
  const std::vector<std::string> extract{"emotion_extract", "--checkpoint", "net.safetensors", "--out", "out", "--data"};
  const std::vector<std::string> index{"emotion_search", "index", "--checkpoint", "net.safetensors", "--out", "out", "--data"};
  const auto on = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  for (const auto& words : {extract,
                            index,
                            {"emotion_eval", "--checkpoint", "net.safetensors", "--data"},
                            {"emotion_probe", "--no-cache", "--checkpoint", "net.safetensors", "--data"}}) {
    refuses(on(words, {"torn"}), 3,
            "torn/all.jsonl:2: torn/" + why +
                "emotion_data verify torn lists all such pictures, with --out DIR it "
                "writes a data set without them");
  }
  const auto skipping = [](const std::string& setting) {
    return "--set " + setting +
           ": a row stands for each sample here, none is left out; emotion_data verify --out writes a data set without the "
           "broken ones";
  };
  refuses(on(extract, {"torn", "--set", "data.on_error=skip"}), 2, skipping("data.on_error=skip"));
  const auto with = []<class Options>(void (*command)(const Options&), const std::string& setting) {
    Options options;
    options.checkpoint = (root() / "net.safetensors").string();
    options.data = (root() / "torn").string();
    options.settings = {setting};
    return error_of<ConfigError>([&] { command(options); });
  };
  for (const char* setting : {"data.on_error=skip", "data={on_error: skip}"}) {
    EXPECT_EQ(with(emotion_extract, setting), skipping(setting));
    EXPECT_EQ(with(emotion_search_index, setting), skipping(setting));
    EXPECT_EQ(with(emotion_eval, setting), skipping(setting));
    EXPECT_EQ(with(emotion_probe, setting), skipping(setting));
  }
  // The list of a folder's pictures is the command's own: no line of it is named.
  const std::string folder = fs::canonical(root() / "loose").string() + "/";
  for (const auto& words : {extract, index}) refuses(on(words, {"loose"}), 3, folder + why + "take it out of the folder");
}

TEST_F(MeasureTest, FeaturesOfAFolderNameItsPictures) {
  fs::create_directories(root() / "folder/deeper");
  const std::vector<std::string> names{"a \"b\".jpg", "deeper/c.jpg", "z.jpg"};
  for (const auto& name : names) fs::copy_file(root() / "moods" / image(0), root() / "folder" / name);
  output({"emotion_extract", "--checkpoint", "net.safetensors", "--data", "folder", "--out", "named.safetensors"});
  const auto metadata = read_safetensors_metadata(root() / "named.safetensors");
  EXPECT_EQ(nlohmann::json::parse(metadata.at("images")).get<std::vector<std::string>>(), names);
  EXPECT_FALSE(metadata.contains("split"));
  output({"emotion_extract", "--checkpoint", "net.safetensors", "--data", "moods", "--out", "listed.safetensors"});
  EXPECT_FALSE(read_safetensors_metadata(root() / "listed.safetensors").contains("images")) << "its manifest names them";
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

// metrics.json names them.
TEST_F(MeasureTest, CheckpointsWhoseNamesAreNotUtf8AreRefusedAtOnce) {
  const std::string name = "caf\xe9.safetensors",
                    error = "caf\\xe9.safetensors: the name is not UTF-8; rename it (convmv does that for whole folders)";
  fs::copy_file(root() / "net.safetensors", root() / name);
  refuses({"emotion_probe", "--checkpoint", name, "--data", "moods", "--output", "out"}, 3, error);
  refuses({"emotion_eval", "--checkpoint", "net.safetensors", "--compare", name, "--data", "moods", "--output", "out"}, 3, error);
}

TEST_F(MeasureTest, ADetectorIsAskedNothingOfClassifiers) {
  StateDict state;
  state.add("x", at::ones({1}));
  state.metadata = info("detector", {"sun", "dog"}).to_metadata();
  write_safetensors(root() / "detector.safetensors", state);
  const std::string without = "detector.safetensors is of task detector, which does without; leave it out";
  refuses({"emotion_eval", "--checkpoint", "detector.safetensors", "--data", "moods", "--output", "out", "--seed", "2"}, 2,
          "--seed: " + without);
  for (const auto& [flag, give] : std::vector<std::pair<std::string, std::function<void(EvalOptions&)>>>{
           {"--compare", [](EvalOptions& o) { o.compare = (root() / "net.safetensors").string(); }},
           {"--zero-shot", [](EvalOptions& o) { o.zero_shot = true; }},
           {"--word2vec", [](EvalOptions& o) { o.word2vec = "w"; }},
           {"--textcnn", [](EvalOptions& o) { o.textcnn = "t"; }},
           {"--synonyms", [](EvalOptions& o) { o.synonyms = "s"; }},
           {"--bootstrap", [](EvalOptions& o) { o.bootstrap = 20; }},
           {"--workers", [](EvalOptions& o) { o.workers = 2; }}}) {
    EvalOptions options;
    options.checkpoint = (root() / "detector.safetensors").string();
    options.data = (root() / "moods").string();
    options.output = (root() / "out").string();
    give(options);
    EXPECT_EQ(error_of<ConfigError>([&] { emotion_eval(options); }), flag + ": " + root().string() + "/" + without);
    EXPECT_FALSE(fs::exists(root() / "out")) << "nothing half-written";
  }
  refuses({"emotion_predict", "--checkpoint", "detector.safetensors", "moods/" + image(0)}, 3,
          "detector.safetensors: task detector has no image network; emotion_data regions finds regions with it");
}

}  // namespace
}  // namespace emotion
