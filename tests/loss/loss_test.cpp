#include "emotion/loss/emotion_net_loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "emotion/error.h"
#include "emotion/loss/metrics.h"
#include "emotion/random.h"

namespace emotion {
namespace {

TEST(SoftTargetsTest, Eq1ByHand) {
  // p = (.6, .395, .005) loses its last entry; q marks class 2: (.6, .395, 1) / 1.995.
  const at::Tensor y =
      soft_targets(at::tensor({0.6F, 0.395F, 0.005F}).view({1, 3}), at::tensor({0.0F, 0.0F, 1.0F}).view({1, 3}), 0.01);
  EXPECT_NEAR(y[0][0].item<double>(), 0.6 / 1.995, 1e-6);
  EXPECT_NEAR(y[0][1].item<double>(), 0.395 / 1.995, 1e-6);
  EXPECT_NEAR(y[0][2].item<double>(), 1 / 1.995, 1e-6);
}

TEST(SoftCrossEntropyTest, Eq2ByHand) {
  // logits (0, ln 3): softmax (1/4, 3/4); targets (.5, .5): -(.5 ln .25 + .5 ln .75)
  const at::Tensor loss =
      soft_cross_entropy(at::tensor({0.0F, std::log(3.0F)}).view({1, 2}), at::tensor({0.5F, 0.5F}).view({1, 2}));
  EXPECT_NEAR(loss.item<double>(), -0.5 * (std::log(0.25) + std::log(0.75)), 1e-6);
}

TEST(SoftCrossEntropyTest, StaysFiniteWhereSoftmaxUnderflows) {
  const at::Tensor loss = soft_cross_entropy(at::tensor({1000.0F, -1000.0F}).view({1, 2}), at::tensor({0.0F, 1.0F}).view({1, 2}));
  EXPECT_NEAR(loss.item<double>(), 2000, 1e-3);
}

TEST(EmbeddingLossTest, Eq3ByHandAndASampleWithoutTextCounts) {
  const at::Tensor v = at::tensor({1.0F, 0.0F, 3.0F, 4.0F, 1.0F, 1.0F}).view({3, 2}),
                   t = at::tensor({1.0F, 1.0F, 4.0F, 3.0F, 0.0F, 0.0F}).view({3, 2});
  const at::Tensor loss = embedding_loss(v, t, at::tensor({1.0F, 1.0F, 0.0F}).to(at::kBool));
  EXPECT_NEAR(loss.item<double>(), ((1 - 1 / std::sqrt(2.0)) + (1 - 24.0 / 25.0) + 0) / 3, 1e-6);
}

TEST(EmbeddingLossTest, AZeroProjectionHasAFiniteGradient) {
  const at::Tensor v = at::zeros({1, 4}).requires_grad_();
  embedding_loss(v, at::ones({1, 4}), at::ones({1}, at::kBool)).backward();
  EXPECT_TRUE(at::isfinite(v.grad()).all().item<bool>());
}

TEST(CrossEntropyTest, SmoothingAndWeightsByHand) {
  const at::Tensor logits = at::tensor({0.0F, std::log(3.0F)}).view({1, 2}), label = at::tensor({std::int64_t{1}});
  // Smoothing .2: targets (.1, .9).
  EXPECT_NEAR(cross_entropy(logits, label, {}, 0.2).item<double>(), -(0.1 * std::log(0.25) + 0.9 * std::log(0.75)), 1e-6);
  const at::Tensor two = at::tensor({0.0F, std::log(3.0F), 0.0F, 0.0F}).view({2, 2}),
                   labels = at::tensor({std::int64_t{1}, std::int64_t{0}});
  // Weighted mean with weights (3, 1).
  EXPECT_NEAR(cross_entropy(two, labels, at::tensor({3.0F, 1.0F}), 0).item<double>(),
              (1 * -std::log(0.75) + 3 * -std::log(0.5)) / 4, 1e-6);
}

TEST(AveragePrecisionTest, ByHandWithTies) {
  // Sorted: 1, 0, 1, 0 -> precision 1 at recall .5, 2/3 at recall 1.
  EXPECT_NEAR(average_precision(std::vector<float>{0.9F, 0.8F, 0.7F, 0.1F}, std::vector<std::uint8_t>{1, 0, 1, 0}),
              0.5 * 1 + 0.5 * 2 / 3, 1e-12);
  // All scores equal: one threshold, precision = part of positives.
  EXPECT_NEAR(average_precision(std::vector<float>{0.5F, 0.5F, 0.5F, 0.5F}, std::vector<std::uint8_t>{1, 0, 0, 0}), 0.25, 1e-12);
  EXPECT_TRUE(std::isnan(average_precision(std::vector<float>{0.5F}, std::vector<std::uint8_t>{0})));
  EXPECT_THROW(average_precision(std::vector<float>{NAN}, std::vector<std::uint8_t>{1}), DataError);
}

/// scikit-learn's definition as it stands: all scores sorted, precision and recall at every distinct one.
double precision_by_sorting(const std::vector<float>& scores, const std::vector<std::uint8_t>& positive) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const auto total = static_cast<double>(std::count(positive.begin(), positive.end(), 1));
  double sum = 0, hits = 0, recall = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    hits += positive[order[i]];
    if (i + 1 < order.size() && scores[order[i + 1]] == scores[order[i]]) continue;
    sum += (hits / total - recall) * hits / static_cast<double>(i + 1);
    recall = hits / total;
  }
  return sum;
}

// To the last bit: with and without ties, among them and with infinite scores, of few positives and of many.
TEST(AveragePrecisionTest, IsThatOfAllScoresSorted) {
  Random random{11};
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t n = 1 + random.below(60), values = 1 + random.below(round % 2 == 0 ? 5U : 1000U),
                        part = 1 + random.below(20);
    std::vector<float> scores;
    std::vector<std::uint8_t> positive;
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint64_t value = random.below(values);
      scores.push_back(value == 3 ? -INFINITY : value == 4 ? -0.0F : (static_cast<float>(value) - 4) / 7);
      positive.push_back(random.below(20) < part);
    }
    positive[random.below(n)] = 1;
    ASSERT_EQ(average_precision(scores, positive), precision_by_sorting(scores, positive)) << round;
  }
}

// More classes than are taken at a time; two without a sample, and samples of two labels.
TEST(MetricsTest, OfManyClassesEachHasTheAveragePrecisionOfItsColumn) {
  Random random{12};
  Predictions predictions;
  predictions.classes = 37;
  constexpr std::size_t kSamples = 90;
  for (std::size_t i = 0; i < kSamples; ++i) {
    for (std::size_t k = 0; k < predictions.classes; ++k) predictions.scores.push_back(static_cast<float>(random.below(50)));
    const auto label = static_cast<std::uint32_t>(i < 35 ? i : random.below(35));
    predictions.labels.push_back(i % 3 == 0 ? std::vector{label, (label + 1) % 35} : std::vector{label});
  }
  const ClassificationMetrics metrics = classification_metrics(predictions);
  ASSERT_EQ(metrics.per_class.size(), 37U);
  double sum = 0;
  for (std::uint32_t k = 0; k < 35; ++k) {
    std::vector<float> column;
    std::vector<std::uint8_t> positive;
    for (std::size_t i = 0; i < kSamples; ++i) {
      column.push_back(predictions.scores[i * 37 + k]);
      const auto& labels = predictions.labels[i];
      positive.push_back(std::find(labels.begin(), labels.end(), k) != labels.end());
    }
    const auto count = static_cast<std::uint64_t>(std::count(positive.begin(), positive.end(), 1));
    ASSERT_GT(count, 0U) << k;
    EXPECT_EQ(metrics.per_class[k].positives, count) << k;
    EXPECT_EQ(metrics.per_class[k].average_precision, precision_by_sorting(column, positive)) << k;
    sum += metrics.per_class[k].average_precision;
  }
  EXPECT_TRUE(std::isnan(metrics.per_class[36].average_precision));
  EXPECT_EQ(metrics.mean_average_precision, sum / 35);
  predictions.scores[5 * 37 + 20] = NAN;
  predictions.scores[7 * 37] = NAN;
  EXPECT_THROW(classification_metrics(predictions), DataError);
}

TEST(MetricsTest, ByHand) {
  Predictions predictions;
  predictions.classes = 3;
  predictions.scores = {0.7F, 0.2F, 0.1F, 0.1F, 0.6F, 0.3F, 0.5F, 0.4F, 0.1F, 0.3F, 0.3F, 0.3F};
  predictions.labels = {{0}, {2, 1}, {1}, {0}};
  const ClassificationMetrics m = classification_metrics(predictions);
  EXPECT_DOUBLE_EQ(m.top1, 3.0 / 4) << "the second sample's best score is one of its labels; ties go to the lower id";
  EXPECT_DOUBLE_EQ(m.top2, 1.0) << "the third sample's label has the second score";
  EXPECT_DOUBLE_EQ(m.top5, 1.0);
  EXPECT_EQ(m.confusion(1, 1), 1U) << "in the row of the label that was hit, not of the first";
  EXPECT_EQ(m.confusion(2, 1), 0U);
  EXPECT_EQ(m.confusion(1, 0), 1U);
  EXPECT_DOUBLE_EQ(m.confusion.accuracy(), m.top1);
  EXPECT_DOUBLE_EQ(m.confusion.recall(0), 1.0);
  EXPECT_DOUBLE_EQ(m.balanced_accuracy, 0.75) << "recalls 1, 1/2; class 2 has no row";
  EXPECT_DOUBLE_EQ(m.per_class[0].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.per_class[2].recall, 0.0) << "its one positive stands in the row of the other label";
  EXPECT_DOUBLE_EQ(m.per_class[1].f1, 2.0 / 3) << "two positives, one prediction, right";
  EXPECT_TRUE(has_several_labels(m));
  predictions.scores[4] = NAN;
  EXPECT_THROW(classification_metrics(predictions), DataError);
}

// The label's place among the scores: second, third, sixth; of a tie, the lower id is before it.
TEST(MetricsTest, TheBestTwoAndTheBestFive) {
  Predictions predictions{
      .classes = 6, .scores = {6, 5, 4, 3, 2, 1, /**/ 6, 5, 5, 3, 2, 1, /**/ 6, 5, 4, 3, 2, 1}, .labels = {{1}, {2}, {5}}};
  const ClassificationMetrics m = classification_metrics(predictions);
  EXPECT_DOUBLE_EQ(m.top1, 0.0);
  EXPECT_DOUBLE_EQ(m.top2, 1.0 / 3);
  EXPECT_DOUBLE_EQ(m.top5, 2.0 / 3);
  // One class: there is no second.
  EXPECT_DOUBLE_EQ(classification_metrics({.classes = 1, .scores = {0}, .labels = {{0}}}).top2, 1.0);
}

TEST(MetricsTest, ErrorsAndTop1OfSamplesWithSeveralLabelsAddUp) {
  Predictions predictions;
  predictions.classes = 4;
  predictions.polarity = {1, 1, -1, -1};
  // Predicted 0, 0, 0, 3. Right; wrong with a label of its polarity (easy); wrong with none of it (hard); easy.
  predictions.scores = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1};
  predictions.labels = {{2, 0}, {3, 1}, {3, 2}, {2}};
  const ClassificationMetrics m = classification_metrics(predictions);
  EXPECT_DOUBLE_EQ(m.top1, 0.25);
  EXPECT_DOUBLE_EQ(m.easy_errors, 0.5);
  EXPECT_DOUBLE_EQ(m.hard_errors, 0.25);
  EXPECT_DOUBLE_EQ(m.polarity_accuracy, 0.75);
  EXPECT_EQ(m.confusion(1, 0), 1U) << "the label of the prediction's polarity";
  predictions.polarity.pop_back();
  EXPECT_THROW(classification_metrics(predictions), DataError);
}

}  // namespace
}  // namespace emotion
