#include "emotion/eval/uncertainty.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/limited_memory.h"
#include "golden.h"

namespace emotion {
namespace {

Predictions golden_predictions() {
  const at::Tensor logits = golden("calibration_logits");
  Predictions predictions{.classes = 3, .labels = label_lists(hot_rows(golden("calibration_truth"), 3))};
  predictions.scores.assign(logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel());
  return predictions;
}

TEST(CalibrationTest, ByHand) {
  // Probabilities .6 (right), .6 (wrong), .9 (right): bins (.5, .6] and (.8, .9] of ten.
  // ECE = 2/3 |.5 - .6| + 1/3 |1 - .9| = .1; logits ln(p / (1 - p)) against 0.
  const float a = std::log(0.5999F / 0.4001F), b = std::log(0.8999F / 0.1001F);
  const Predictions predictions{.classes = 2, .scores = {a, 0, a, 0, b, 0}, .labels = {{0}, {1}, {0}}};
  const Calibration c = calibration(predictions, 10);
  EXPECT_NEAR(c.expected_error, 0.1, 1e-3);
  EXPECT_NEAR(c.largest_error, 0.1, 1e-3);
  EXPECT_EQ(c.bins[5].count, 2U);
  EXPECT_EQ(c.bins[8].count, 1U);
  EXPECT_DOUBLE_EQ(c.bins[5].accuracy, 0.5);
  EXPECT_TRUE(std::isnan(c.bins[0].confidence));
}

TEST(CalibrationTest, AsNumPyBinsIt) {
  EXPECT_NEAR(calibration(golden_predictions(), 10).expected_error, golden("calibration_ece")[0].item<double>(), 1e-9);
}

TEST(McNemarTest, AsStatsmodels) {
  const at::Tensor counts = golden("mcnemar_counts");
  for (std::int64_t i = 0; i < counts.size(0); ++i) {
    const McNemar test = mcnemar(50, static_cast<std::uint64_t>(counts[i][0].item<std::int64_t>()),
                                 static_cast<std::uint64_t>(counts[i][1].item<std::int64_t>()), 20);
    EXPECT_NEAR(test.p, golden("mcnemar_p")[i].item<double>(), 1e-9) << i;
    EXPECT_NEAR(test.statistic, golden("mcnemar_statistic")[i].item<double>(), 1e-9) << i;
  }
}

TEST(McNemarTest, CountsWhoIsRight) {
  const Predictions first{.classes = 2, .scores = {1, 0, 1, 0, 0, 1, 0, 1}, .labels = {{0}, {1}, {1}, {0}}};
  Predictions second = first;
  second.scores = {1, 0, 0, 1, 1, 0, 0, 1};
  const McNemar test = compare_predictions(first, second);
  EXPECT_EQ(test.both, 1U);
  EXPECT_EQ(test.only_second, 1U);
  EXPECT_EQ(test.only_first, 1U);
  EXPECT_EQ(test.neither, 1U);
  EXPECT_DOUBLE_EQ(test.p, 1.0);
}

TEST(BootstrapTest, HoldsTheValueIsSeededAndNarrowsWithSamples) {
  const Predictions small = golden_predictions();
  const ClassificationMetrics metrics = classification_metrics(small);
  const MetricIntervals a = bootstrap_intervals(small, 400, 1), b = bootstrap_intervals(small, 400, 1);
  EXPECT_EQ(a.top1.low, b.top1.low);
  EXPECT_EQ(a.mean_average_precision.high, b.mean_average_precision.high);
  EXPECT_NE(a.mean_average_precision.high, bootstrap_intervals(small, 400, 2).mean_average_precision.high);
  for (const auto& [interval, value] : {std::pair{a.top1, metrics.top1},
                                        {a.top2, metrics.top2},
                                        {a.balanced_accuracy, metrics.balanced_accuracy},
                                        {a.mean_average_precision, metrics.mean_average_precision}}) {
    EXPECT_LT(interval.low, value);
    EXPECT_GT(interval.high, value);
  }
  // A proportion's interval is the normal one: +- 1.96 sqrt(p (1 - p) / n), here within a fifth.
  const double width = 2 * 1.96 * std::sqrt(metrics.top1 * (1 - metrics.top1) / 200);
  EXPECT_NEAR(a.top1.high - a.top1.low, width, 0.2 * width);
  EXPECT_DOUBLE_EQ(a.top5.low, 1.0) << "three classes";
  Predictions large = small;
  for (int i = 0; i < 3; ++i) {
    large.scores.insert(large.scores.end(), small.scores.begin(), small.scores.end());
    large.labels.insert(large.labels.end(), small.labels.begin(), small.labels.end());
  }
  const MetricIntervals narrow = bootstrap_intervals(large, 400, 1);
  EXPECT_NEAR((narrow.top1.high - narrow.top1.low) / (a.top1.high - a.top1.low), 0.5, 0.15) << "four times the samples";
}

// The row of the confusion is the prediction wherever that is one of the labels: every draw is right, whichever label stands
// first.
TEST(BootstrapTest, BalancedAccuracyOfSeveralLabelsIsThatOfTheConfusion) {
  Predictions predictions{.classes = 3};
  for (int i = 0; i < 20; ++i) {
    predictions.scores.insert(predictions.scores.end(), {0, 1, 0});
    predictions.labels.push_back({0, 1});
  }
  EXPECT_EQ(classification_metrics(predictions).balanced_accuracy, 1);
  const Interval all_right = bootstrap_intervals(predictions, 100, 1).balanced_accuracy;
  EXPECT_EQ(all_right.low, 1);
  EXPECT_EQ(all_right.high, 1);
  // By polarity too: the wrong prediction 1 of {2, 0} stands in row 0, whose recall is then 1/2.
  predictions.polarity = {1, 1, -1};
  for (int i = 0; i < 20; ++i) {
    predictions.scores.insert(predictions.scores.end(), {i % 2 ? 2.0F : 0.0F, 1, 0});
    predictions.labels.push_back({2, 0});
  }
  const double value = classification_metrics(predictions).balanced_accuracy;
  EXPECT_DOUBLE_EQ(value, (1 + 0.5) / 2);
  const Interval mixed = bootstrap_intervals(predictions, 400, 1).balanced_accuracy;
  EXPECT_LT(mixed.low, value);
  EXPECT_GT(mixed.high, value);
  EXPECT_GT(mixed.low, 0.6);
  EXPECT_LT(mixed.high, 0.9);
}

// Two samples, each ranked second for its own class: AP is 1/2 where both are drawn; where one is drawn twice it is alone, and 1.
TEST(BootstrapTest, MeanAveragePrecisionByHand) {
  const Predictions predictions{.classes = 2, .scores = {0, 1, 1, 0}, .labels = {{0}, {1}}};
  const Interval interval = bootstrap_intervals(predictions, 200, 1).mean_average_precision;
  EXPECT_DOUBLE_EQ(interval.low, 0.5);
  EXPECT_DOUBLE_EQ(interval.high, 1);
  // Equal scores are one threshold: 1/2 again.
  const Predictions tied{.classes = 2, .scores = {3, 3, 3, 3}, .labels = {{0}, {1}}};
  EXPECT_DOUBLE_EQ(bootstrap_intervals(tied, 200, 1).mean_average_precision.low, 0.5);
}

TEST(BootstrapTest, PolarityItsErrorsAndCalibrationHaveIntervals) {
  Predictions predictions = golden_predictions();
  EXPECT_TRUE(std::isnan(bootstrap_intervals(predictions, 50, 1).hard_errors.low)) << "no polarity";
  predictions.polarity = {1, -1, -1};
  const ClassificationMetrics metrics = classification_metrics(predictions);
  const MetricIntervals i = bootstrap_intervals(predictions, 400, 1);
  for (const auto& [interval, value] : {std::pair{i.polarity_accuracy, metrics.polarity_accuracy},
                                        {i.easy_errors, metrics.easy_errors},
                                        {i.hard_errors, metrics.hard_errors}}) {
    EXPECT_LT(interval.low, value);
    EXPECT_GT(interval.high, value);
    const double width = 2 * 1.96 * std::sqrt(value * (1 - value) / 200);
    EXPECT_NEAR(interval.high - interval.low, width, 0.2 * width);
  }
  // A sample has the right polarity or is a hard error, in every draw.
  EXPECT_NEAR(i.hard_errors.low, 1 - i.polarity_accuracy.high, 1e-12);
  EXPECT_NEAR(i.hard_errors.high, 1 - i.polarity_accuracy.low, 1e-12);
  // A draw's error is drawn upwards: noise in a bin counts as error.
  EXPECT_GT(i.expected_error.high, calibration(predictions).expected_error);
  EXPECT_GT(i.expected_error.low, 0);
  // All samples alike: every draw says what all say.
  const Predictions alike{.classes = 2, .scores = {1, 0, 1, 0, 1, 0}, .labels = {{0}, {0}, {0}}};
  const Interval constant = bootstrap_intervals(alike, 50, 1).expected_error;
  EXPECT_NEAR(constant.low, calibration(alike).expected_error, 1e-12);
  EXPECT_NEAR(constant.high, 1 - std::exp(1) / (std::exp(1) + 1), 1e-6);
}

// 2,000 keywords as classes: their rankings together would be 64 MB.
TEST(BootstrapTest, MemoryDoesNotGrowWithTheClasses) {
  constexpr std::uint32_t kClasses = 2000, kSamples = 4000;
  Predictions predictions{.classes = kClasses, .scores = std::vector<float>(std::size_t{kClasses} * kSamples)};
  for (std::size_t i = 0; i < predictions.scores.size(); ++i) predictions.scores[i] = static_cast<float>(i * 7919 % 10007);
  for (std::uint32_t i = 0; i < kSamples; ++i) predictions.labels.push_back({i % kClasses});
  EXPECT_EQ(error_within(24, [&] { bootstrap_intervals(predictions, 3, 1); }), "no error");
}

}  // namespace
}  // namespace emotion
