#include "emotion/eval/metrics_json.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/eval/evaluation_result.h"

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
  predictions.polarity.clear();
  EXPECT_EQ(confident_examples(predictions, {4, 3, 2, 1}, manifest, dataset.classes, 2)[2].error, "");
}

// Two samples of awe, one of them taken for joy; nothing is fear, and nothing is taken for it.
TEST(MetricsTextTest, WhatDoesNotExistIsADash) {
  EvaluationSummary summary{.classes = {"awe", "joy", "fear"},
                            .predictions = {.classes = 3, .scores = {1, 0, 0, /**/ 0, 1, 0}, .labels = {{0}, {0}}}};
  summary.metrics = classification_metrics(summary.predictions);
  summary.intervals = MetricIntervals{{0, 1}, {1, 1}, {0.5, 1}, {NAN, NAN}};
  EXPECT_EQ(evaluation_text(summary),
            "2 samples: top1 0.5000, top5 1.0000, balanced accuracy 0.5000, mAP 1.0000\n"
            "class                    positives       AP precision   recall\n"
            "awe                              2   1.0000    1.0000   0.5000\n"
            "joy                              0        -    0.0000        -\n"
            "fear                             0        -         -        -\n"
            "95 % intervals: top1 0.0000 to 1.0000, top5 1.0000 to 1.0000, balanced accuracy 0.5000 to 1.0000, mAP -\n");
  const ScratchFolder folder;
  write_evaluation(folder.path(), summary);
  const auto json = nlohmann::json::parse(read_file(folder.path() / "metrics.json"));
  EXPECT_TRUE(json["per_class"]["fear"]["precision"].is_null());
  EXPECT_TRUE(json["intervals"]["mAP"][0].is_null());
}

}  // namespace
}  // namespace emotion
