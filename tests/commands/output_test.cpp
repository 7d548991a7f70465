#include <gmock/gmock.h>

#include "../support/detector_weights.h"
#include "emotion/commands/data.h"
#include "emotion/commands/eval.h"
#include "emotion/commands/search.h"
#include "emotion/data/annotations.h"
#include "emotion/error.h"
#include "emotion/train/detector_model.h"
#include "measure.h"

// Results that stdout does not take: a reader that has seen enough, a full disk. The files are written all the same. Outputs
// are longer than stdio's buffer, or the failure would show only at the end.
namespace emotion {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr int kClasses = 200;

class OutputTest : public MeasureTest {
 protected:
  static void SetUpTestSuite() {
    MeasureTest::SetUpTestSuite();
    for (int k = 0; k < kClasses; ++k) classes_.push_back(fmt::format("a-class-of-a-long-name-{}", k));
    write_classifier("wide.safetensors", classes_);
    std::string lines;
    for (int i = 0; i < 8; ++i)
      lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"{}\"]}}\n", image(i), classes_[static_cast<std::size_t>(i)]);
    write_dataset("wide", classes_, lines);
    write_detector();
  }
  static void TearDownTestSuite() {
    classes_.clear();
    MeasureTest::TearDownTestSuite();
  }
  static void write_detector() {
    const RunConfig made = parse_run_config(
        "task: detector\ndata: {train: {dataset: gone, split: train}}\nmodel: {backbone: resnet18, detector: {min_size: 64, "
        "max_size: 64, anchor_size: 8, channels: 8, head: 8, score_threshold: 0}}\n",
        "test");
    FasterRCNN network(faster_rcnn_options(made, kClasses));
    fill_detector(*network);
    write_network(root() / "detector.safetensors", *network,
                  {.task = "detector", .config = print_run_config(made), .classes = classes_});
    write_dataset("boxes", classes_, fmt::format("{{\"image\": \"{}\"}}\n", image(0)));
    AnnotationWriter annotations(classes_);
    std::vector<AnnotatedBox> boxes;
    for (std::uint32_t k = 0; k < kClasses; ++k) boxes.push_back({{1, 1, 30, 30}, k, 841});
    annotations.add(image(0), 32, 32, boxes);
    annotations.write(root() / "boxes/annotations/test.json");
  }
  static Process::Result shell(const std::string& line) { return emotion::shell(root(), line); }
  /// Runs a command whose output nobody takes; `file` must be there after each, where one is named.
  static void expect_kept(const std::string& line, const std::string& file = {}) {
    const auto read = shell("$B/" + line);
    EXPECT_EQ(read.code, 0) << line << ": " << read.errors;
    EXPECT_GT(read.output.size(), 4096U) << line;
    const auto there = [&] {
      if (file.empty()) return;
      EXPECT_TRUE(fs::exists(root() / file)) << line;
      fs::remove(root() / file);
    };
    there();
    const auto closed = shell("$B/" + line + " | true; exit ${PIPESTATUS[0]}");
    EXPECT_EQ(closed.code, 0) << line << ": " << closed.errors;
    there();
    const auto full = shell("$B/" + line + " > /dev/full");
    EXPECT_EQ(full.code, 1) << line;
    EXPECT_THAT(full.errors, EndsWith(": standard output cannot be written; is the disk full?\n")) << line;
    there();
  }

  inline static std::vector<std::string> classes_;
};

TEST_F(OutputTest, MeasurementsAreKept) {
  expect_kept("emotion_eval --checkpoint wide.safetensors --data wide --bootstrap 0 --output kept", "kept/metrics.json");
  expect_kept("emotion_probe --checkpoint wide.safetensors --data wide --no-cache --output kept", "kept/metrics.json");
  expect_kept("emotion_eval --checkpoint detector.safetensors --data boxes --output kept", "kept/metrics.json");
  expect_kept("emotion_data stats wide --html kept/stats.html", "kept/stats.html");
}

TEST_F(OutputTest, SearchesAreKept) {
  ASSERT_EQ(shell("$B/emotion_search index --checkpoint net.safetensors --data moods --out moods.search").code, 0);
  std::string pictures;
  for (int i = 0; i < 4; ++i) pictures += " moods/" + image(i);
  expect_kept("emotion_search image --index moods.search --k 48 --json found.json" + pictures, "found.json");
}

TEST_F(OutputTest, JsonGoesToStandardOutputOnRequest) {
  const auto parsed = [](const std::string& line) {
    const auto result = shell("$B/" + line + " --json -");
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_FALSE(fs::exists(root() / "-")) << line;
    return nlohmann::json::parse(result.output);
  };
  EXPECT_EQ(parsed("emotion_predict --checkpoint net.safetensors moods/" + image(0)).size(), 1U);
  EXPECT_EQ(parsed("emotion_data stats wide")["classes"], kClasses);
  ASSERT_EQ(shell("$B/emotion_search index --checkpoint net.safetensors --data moods --out dash.search").code, 0);
  EXPECT_EQ(parsed("emotion_search image --index dash.search moods/" + image(0))[0]["results"].size(), 10U);
  write_text(root() / "words.txt", "2 2\nsun 1 0\nsea 0 1\n");
  EXPECT_EQ(parsed("emotion_text nearest --word2vec words.txt sun")["sun"].size(), 1U);
  write_dataset("voted", kMoods, fmt::format("{{\"image\": \"{}\", \"votes\": [\"awe\", \"awe\"]}}\n", image(0)));
  EXPECT_EQ(parsed("emotion_data vote voted")["items"], 2) << "a sample of each of two splits";
}

TEST_F(OutputTest, ANameThatSaysAnotherFormIsRefused) {
  const auto refused = [](const auto& command, const auto& options, const std::string& error) {
    EXPECT_EQ(error_of<ConfigError>([&] { command(options); }), error);
  };
  const auto command = shell("$B/emotion_extract --checkpoint net.safetensors --data moods --out f.npy");
  EXPECT_EQ(command.code, 2);
  EXPECT_EQ(command.errors, "--out f.npy: safetensors are written, which .npy does not say; name it .safetensors\n");
  const CheckpointOptions network{.checkpoint = root() / "net.safetensors"};
  const std::string data = root() / "moods", picture = root() / "moods" / image(0);
  refused(emotion_extract, ExtractOptions{network, data, "train", "-"}, "--out -: safetensors are written; a file is wanted");
  refused(emotion_predict, PredictOptions{network, {picture}, "out.csv"},
          "--json out.csv: JSON is written, which .csv does not say; name it .json");
  refused(emotion_predict, PredictOptions{network, {picture}, "", "rep.PDF"},
          "--report rep.PDF: an HTML page is written, which .pdf does not say; name it .html");
  refused(emotion_search_index, SearchIndexCommand{network, data, "train", "features", "exact", "i.pth"},
          "--out i.pth: a search index is written, which .pth does not say; name it .search");
  refused(emotion_data_stats, StatsOptions{.data = root() / "wide", .html = "page.json"},
          "--html page.json: an HTML page is written, which .json does not say; name it .html");
  EXPECT_EQ(shell("$B/emotion_predict --checkpoint net.safetensors --json p.results --report p moods/" + image(0)).code, 0);
}

TEST_F(OutputTest, WhatIsOnlyPrintedIsNoFailureEither) {
  expect_kept("emotion_predict --checkpoint wide.safetensors --top 200 moods/" + image(0));
  expect_kept("emotion_convert wide.safetensors --list");
  const fs::path project = fs::path(EMOTION_TEST_DATA) / "../..";
  expect_kept(fmt::format("emotion_reproduce --list --configs '{}/configs'", project.string()));
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += fmt::format("{{\"image\": \"missing/picture-{}.jpg\", \"labels\": [\"awe\"]}}\n", i);
  write_dataset("missing", kMoods, lines);
  const auto problems = shell("$B/emotion_data verify missing | true; exit ${PIPESTATUS[0]}");
  EXPECT_EQ(problems.code, 3);
  EXPECT_THAT(problems.errors, EndsWith("missing: 200 problems; --out DIR writes a data set of the samples without any\n"));
}

}  // namespace
}  // namespace emotion
