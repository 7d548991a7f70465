#pragma once

#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/networks.h"
#include "../support/scratch.h"
#include "emotion/data/synth.h"
#include "emotion/io/weights.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

namespace fs = std::filesystem;

inline const std::vector<std::string> kMoods{"amusement", "awe",     "contentment", "excitement",
                                             "anger",     "disgust", "fear",        "sadness"};

/// Commands that measure a network, in a folder with the data set `moods` (60 pictures of 32 x 32 pixels) and the untrained
/// classifier net.safetensors of its classes.
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
  static void write_classifier(const std::string& name, const std::vector<std::string>& classes, std::uint64_t seed = 1) {
    at::manual_seed(seed);
    ImageClassifier network("resnet18", static_cast<std::int64_t>(classes.size()));
    write_network(root() / name, *network, info("classifier", classes));
  }
  /// An untrained EmotionNet of the moods that projects to four numbers.
  static void write_joint(const std::string& name) {
    at::manual_seed(2);
    EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .head = Head::kTwoBranch, .classes = 8, .embedding = 4});
    write_network(root() / name, *network, info("emotionnet", kMoods));
  }
  /// A data set whose images are the given lines'.
  static void write_dataset(const std::string& name, const std::vector<std::string>& classes, const std::string& lines) {
    write_text(root() / name / "dataset.yaml",
               fmt::format("name: {}\nclasses: [{}]\nimage_root: ../moods\nsplits: {{train: all.jsonl, test: all.jsonl}}\n", name,
                           fmt::join(classes, ", ")));
    write_text(root() / name / "all.jsonl", lines);
  }
  /// `count` pictures that are training and test data, labelled with the moods in turn.
  static void write_eight(const std::string& name, int count = 40) {
    std::string lines;
    for (int i = 0; i < count; ++i)
      lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"{}\"]}}\n", image(i), kMoods[static_cast<std::size_t>(i % 8)]);
    write_dataset(name, kMoods, lines);
  }
  static std::string image(int i) { return fmt::format("images/000/{:07}.jpg", i); }

  static Process::Result run(const Words& words) { return command(root(), joined(words, {"--log-level", "warning"})); }
  static void refuses(const Words& arguments, int code, const std::string& error) {
    const auto result = run(arguments);
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(result.errors, error + "\n");
    EXPECT_FALSE(fs::exists(root() / "out")) << "nothing half-written";
    fs::remove_all(root() / "out");
  }
  /// What a command prints that must succeed, without a warning.
  static std::string output(const Words& arguments) {
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_EQ(result.errors, "");
    return result.output;
  }
  static nlohmann::json metrics(const std::string& out) {
    return nlohmann::json::parse(read_file(root() / out / "metrics.json"));
  }

  inline static ScratchFolder* folder_ = nullptr;
};

}  // namespace emotion
