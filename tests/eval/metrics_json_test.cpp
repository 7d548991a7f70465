#include "emotion/eval/metrics_json.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/eval/evaluation_summary.h"

namespace emotion {
namespace {

// Softmax of (a, 0, 0): e^a / (e^a + 2).
TEST(ExamplesTest, TheSurestOfEachKindAndHowAnErrorErrs) {
  const ScratchFolder folder;
  write_text(
      folder.path() / "dataset.yaml",
      "name: d\nclasses: [awe, joy, fear]\npolarity: {positive: [awe, joy], negative: [fear]}\nsplits: {all: all.jsonl}\n");
  write_text(folder.path() / "all.jsonl",
             "{\"image\": \"0.png\", \"labels\": [\"awe\"]}\n{\"image\": \"1.png\", \"labels\": [\"joy\"]}\n"
             "{\"image\": \"2.png\", \"labels\": [\"fear\"]}\n{\"image\": \"3.png\", \"labels\": [\"fear\", \"joy\"]}\n"
             "{\"image\": \"4.png\", \"labels\": [\"awe\"]}\n");
  const Dataset dataset = Dataset::open(folder.path());
  const Manifest manifest = Manifest::open(dataset, "all");
  // Rows are the samples 4, 3, 2, 1 of the manifest; sample 0 has none.
  Predictions predictions{.classes = 3,
                          .scores = {1, 0, 0, /**/ 4, 0, 0, /**/ 3, 0, 0, /**/ 2, 0, 0},
                          .labels = {{0}, {2, 1}, {2}, {1}},
                          .polarity = {1, 1, -1}};
  const auto examples = confident_examples(predictions, {4, 3, 2, 1}, manifest, dataset.classes, 2);
  ASSERT_EQ(examples.size(), 3U) << "one right, and the two surest of three wrong";
  EXPECT_EQ(examples[0].image, "4.png");
  EXPECT_TRUE(examples[0].right);
  EXPECT_EQ(examples[0].error, "");
  EXPECT_NEAR(examples[0].probability, 0.576117, 1e-6);
  EXPECT_EQ(examples[1].image, "3.png");
  EXPECT_EQ(examples[1].labels, (std::vector<std::string>{"fear", "joy"}));
  EXPECT_EQ(examples[1].error, "easy") << "joy is as positive as the prediction";
  EXPECT_NEAR(examples[1].probability, 0.964663, 1e-6);
  EXPECT_EQ(examples[2].image, "2.png");
  EXPECT_EQ(examples[2].error, "hard");
  const auto json = nlohmann::json::parse(metrics_json(classification_metrics(predictions), dataset.classes, 4, examples));
  EXPECT_FALSE(json["examples"][0].contains("error"));
  EXPECT_EQ(json["examples"][2]["error"], "hard");
  // Of fear and joy, two positives each, the predictions name none.
  EXPECT_EQ(json["per_class"]["joy"]["recall"], 0.0);
  EXPECT_EQ(json["per_class"]["fear"]["recall"], 0.0);
  EXPECT_THAT(json["note"].get<std::string>(), testing::StartsWith("Some samples have several labels: "));
  EXPECT_THAT(metrics_text(classification_metrics(predictions), dataset.classes, 4), testing::HasSubstr(kSeveralLabels));
  predictions.polarity.clear();
  EXPECT_EQ(confident_examples(predictions, {4, 3, 2, 1}, manifest, dataset.classes, 2)[2].error, "");
}

// The surest by softmax, 0.25 beside -0.875, is not the one of the highest cosine.
TEST(ExamplesTest, CosinesAreGivenAsSuchAndNotAsProbabilities) {
  const ScratchFolder folder;
  write_text(folder.path() / "dataset.yaml", "name: d\nclasses: [awe, fear]\nsplits: {all: all.jsonl}\n");
  write_text(folder.path() / "all.jsonl",
             "{\"image\": \"0.png\", \"labels\": [\"awe\"]}\n{\"image\": \"1.png\", \"labels\": [\"awe\"]}\n");
  const Dataset dataset = Dataset::open(folder.path());
  const Manifest manifest = Manifest::open(dataset, "all");
  const Predictions predictions{.classes = 2, .scores = {0.25, -0.875, /**/ 0.75, 0.5}, .labels = {{0}, {0}}};
  const auto examples = confident_examples(predictions, {0, 1}, manifest, dataset.classes, 2, /*cosines=*/true);
  const auto json = nlohmann::json::parse(metrics_json(classification_metrics(predictions), dataset.classes, 2, examples));
  EXPECT_EQ(json["examples"], nlohmann::json::parse(R"([
      {"image": "1.png", "labels": ["awe"], "prediction": "awe", "cosine": 0.75, "right": true},
      {"image": "0.png", "labels": ["awe"], "prediction": "awe", "cosine": 0.25, "right": true}])"));
  EXPECT_EQ(confident_examples(predictions, {0, 1}, manifest, dataset.classes, 2)[0].image, "0.png");
}

// Two samples of awe, one of them taken for joy; nothing is fear, and nothing is taken for it.
TEST(MetricsTextTest, WhatDoesNotExistIsADash) {
  EvaluationSummary summary{.classes = {"awe", "joy", "fear"},
                            .predictions = {.classes = 3, .scores = {1, 0, 0, /**/ 0, 1, 0}, .labels = {{0}, {0}}}};
  summary.metrics = classification_metrics(summary.predictions);
  summary.intervals = MetricIntervals{{0, 1}, {0.5, 1}, {1, 1}, {0.5, 1}, {NAN, NAN}};
  EXPECT_EQ(
      evaluation_text(summary),
      "2 samples: top1 0.5000, top2 1.0000, top5 1.0000, balanced accuracy 0.5000, mAP 1.0000\n"
      "class                    positives       AP precision   recall\n"
      "awe                              2   1.0000    1.0000   0.5000\n"
      "joy                              0        -    0.0000        -\n"
      "fear                             0        -         -        -\n"
      "95 % intervals: top1 0.0000 to 1.0000, top2 0.5000 to 1.0000, top5 1.0000 to 1.0000, balanced accuracy 0.5000 to 1.0000, "
      "mAP -\n");
  const ScratchFolder folder;
  write_evaluation(folder.path(), summary);
  const auto json = nlohmann::json::parse(read_file(folder.path() / "metrics.json"));
  EXPECT_TRUE(json["per_class"]["fear"]["precision"].is_null());
  EXPECT_FALSE(json.contains("note"));
  EXPECT_TRUE(json["intervals"]["mAP"][0].is_null());
}

// Four samples of two classes, one name to be quoted. Rows of the confusion: awe 1 1, "no, fear" 0 2.
EvaluationSummary small_summary() {
  EvaluationSummary summary{
      .classes = {"awe", "no, \"fear\""},
      .predictions = {.classes = 2, .scores = {2, 0, 0, 2, 0, 2, 0, 2}, .labels = {{0}, {0}, {1}, {1}}, .polarity = {1, -1}}};
  summary.metrics = classification_metrics(summary.predictions);
  return summary;
}

TEST(EvaluationFilesTest, TablesByHand) {
  const ScratchFolder folder;
  write_evaluation(folder.path(), small_summary());
  EXPECT_EQ(read_file(folder.path() / "confusion.csv"), "truth,awe,\"no, \"\"fear\"\"\"\nawe,1,1\n\"no, \"\"fear\"\"\",0,2\n");
  // Of awe the best score is its own, then three alike with one more: 1/2 * 1 + 1/2 * 2/4. Of fear three alike hold both: 2/3.
  EXPECT_EQ(read_file(folder.path() / "per_class.csv"),
            "class,positives,ap,precision,recall,f1\nawe,2,0.750000,1.000000,0.500000,0.666667\n"
            "\"no, \"\"fear\"\"\",2,0.666667,0.666667,1.000000,0.800000\n");
}

TEST(EvaluationFilesTest, CalibrationComparisonAndIntervalsInJson) {
  const ScratchFolder folder;
  EvaluationSummary summary = small_summary();
  summary.calibration = calibration(summary.predictions);
  summary.compared_with = "other";
  summary.comparison = mcnemar(1, 6, 0, 2);
  summary.intervals = MetricIntervals{.top1 = {0.25, 1},
                                      .polarity_accuracy = {0.25, 0.75},
                                      .easy_errors = {0, 0},
                                      .hard_errors = {0.25, 0.5},
                                      .expected_error = {0.1, 0.2}};
  write_evaluation(folder.path(), summary);
  const auto json = nlohmann::json::parse(read_file(folder.path() / "metrics.json"));
  // Every confidence is e^2 / (e^2 + 1) = 0.8808, bin (13/15, 14/15]; three of four are right.
  EXPECT_NEAR(json["calibration"]["ece"], 0.880797 - 0.75, 1e-5);
  EXPECT_NEAR(json["calibration"]["mce"], 0.880797 - 0.75, 1e-5);
  ASSERT_EQ(json["calibration"]["bins"].size(), 15U);
  const auto& bin = json["calibration"]["bins"][13];
  EXPECT_NEAR(bin["low"], 13.0 / 15, 1e-12);
  EXPECT_NEAR(bin["confidence"], 0.880797, 1e-5);
  EXPECT_EQ(bin["accuracy"], 0.75);
  EXPECT_EQ(bin["count"], 4);
  EXPECT_TRUE(json["calibration"]["bins"][0]["confidence"].is_null());
  // Six against none: p = 2 / 2^6.
  EXPECT_EQ(json["comparison"], nlohmann::json::parse(R"({"checkpoint": "other", "both": 1, "only_first": 6, "only_second": 0,
      "neither": 2, "test": "exact", "statistic": 0.0, "p": 0.03125})"));
  EXPECT_EQ(json["intervals"], nlohmann::json::parse(R"({"top1": [0.25, 1.0], "top2": [null, null], "top5": [null, null],
      "balanced_accuracy": [null, null], "mAP": [null, null], "polarity_accuracy": [0.25, 0.75], "easy_errors": [0.0, 0.0],
      "hard_errors": [0.25, 0.5], "ece": [0.1, 0.2]})"));
  const std::string text = evaluation_text(summary);
  EXPECT_NE(text.find("mAP -, polarity 0.2500 to 0.7500, easy errors 0.0000 to 0.0000, hard errors 0.2500 to 0.5000, "
                      "calibration error 0.1000 to 0.2000\n"),
            std::string::npos)
      << text;
}

TEST(EvaluationFilesTest, AConfusionOfTooManyClassesIsLeftOutAndSaidOnce) {
  const ScratchFolder folder;
  EvaluationSummary summary;
  for (std::size_t k = 0; k <= kConfusionClasses; ++k) summary.classes.push_back(std::to_string(k));
  summary.predictions = {
      .classes = summary.classes.size(), .scores = std::vector<float>(summary.classes.size()), .labels = {{0}}};
  summary.metrics = classification_metrics(summary.predictions);
  write_text(folder.path() / "out/confusion.csv", "an earlier evaluation's");
  LogCapture capture(LogLevel::kInfo);
  write_evaluation(folder.path() / "out", summary);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "out/confusion.csv"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "out/per_class.csv"));
  const std::string log = capture.text();
  const std::string said = "out: no confusion.csv, and no confusion in metrics.json: 1001 classes; up to 1000 have one\n";
  ASSERT_NE(log.find(said), std::string::npos) << log;
  EXPECT_EQ(log.find("confusion.csv", log.find(said) + said.size()), std::string::npos);
}

}  // namespace
}  // namespace emotion
