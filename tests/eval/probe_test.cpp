#include "emotion/eval/probe.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/loss/metrics.h"
#include "golden.h"

namespace emotion {
namespace {

// scikit-learn's optimum: the objective is convex, so that weights agree and not just accuracies.
TEST(LbfgsProbeTest, FindsScikitLearnsWeights) {
  const at::Tensor x = golden("train_x"), y = hot_rows(golden("train_y"), 4);
  for (const auto& [name, c, tolerance] : {std::tuple{"weak", 0.01, 1e-5}, {"one", 1.0, 1e-4}, {"strong", 100.0, 2e-3}}) {
    const LinearModel model = fit_probe(x, y, {.C = c});
    EXPECT_LT(largest_difference(model.weight, golden(std::string("softmax_") + name + "_w")), tolerance) << name;
    // softmax leaves a common offset of the biases free
    const at::Tensor bias = golden(std::string("softmax_") + name + "_b");
    EXPECT_LT(largest_difference(model.bias - model.bias.mean(), bias - bias.mean()), tolerance) << name;
    const at::Tensor predictions = probe_scores(model, golden("test_x")).argmax(1);
    EXPECT_TRUE(at::equal(predictions, golden(std::string("softmax_") + name + "_predictions"))) << name;
  }
}

TEST(LbfgsProbeTest, TwoClassesAreOneLogisticRegression) {
  const at::Tensor rows = (golden("train_y") < 2).nonzero().view(-1), tested = (golden("test_y") < 2).nonzero().view(-1);
  const LinearModel model = fit_probe(golden("train_x"), hot_rows(golden("train_y"), 2), {}, rows);
  EXPECT_LT(largest_difference(model.weight[1] - model.weight[0], golden("binary_w")[0]), 1e-4);
  EXPECT_NEAR((model.bias[1] - model.bias[0]).item<double>(), golden("binary_b")[0].item<double>(), 1e-4);
  const at::Tensor scores = probe_scores(model, golden("test_x"), tested);
  EXPECT_LT(largest_difference(scores.select(1, 1) - scores.select(1, 0), golden("binary_decision")), 1e-3);
}

TEST(LbfgsProbeTest, SeveralLabelsAreARegressionAClassAndMeanAveragePrecisionAgrees) {
  const LinearModel model = fit_probe(golden("train_x"), golden("multi_train"), {.multi_label = true});
  EXPECT_LT(largest_difference(model.weight, golden("multi_w")), 1e-4);
  EXPECT_LT(largest_difference(model.bias, golden("multi_b")), 1e-4);
  const at::Tensor scores = probe_scores(model, golden("test_x"));
  Predictions predictions{.classes = 5, .labels = label_lists(golden("multi_test"))};
  predictions.scores.assign(scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel());
  const ClassificationMetrics metrics = classification_metrics(predictions);
  for (std::int64_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(metrics.per_class[static_cast<std::size_t>(k)].average_precision, golden("multi_ap")[k].item<double>(), 1e-9);
  }
  EXPECT_TRUE(std::isnan(metrics.per_class[4].average_precision)) << "no test sample has the class";
  EXPECT_NEAR(metrics.mean_average_precision, golden("multi_ap").mean().item<double>(), 1e-9) << "nor does it count in the mean";
}

TEST(LbfgsProbeTest, TwiceTheSameViewIsTheView) {
  const at::Tensor x = golden("train_x"), y = hot_rows(golden("train_y"), 4);
  const LinearModel once = fit_probe(x, y, {}), twice = fit_probe(at::stack({x, x}), y, {});
  EXPECT_LT(largest_difference(once.weight, twice.weight), 1e-4);
}

TEST(LbfgsProbeTest, AClassWithoutTrainingSamplesIsNeverPredicted) {
  const LinearModel model = fit_probe(golden("train_x"), hot_rows(golden("train_y"), 6), {});
  EXPECT_LT(largest_difference(model.weight.narrow(0, 0, 4), golden("softmax_one_w")), 1e-4)
      << "and changes nothing for the others";
  const at::Tensor scores = probe_scores(model, golden("test_x"));
  EXPECT_LT(scores.argmax(1).max().item<std::int64_t>(), 4);
  EXPECT_FALSE(scores.isnan().any().item<bool>());
}

/// The largest entry of the objective's gradient a sample, from its equation.
double mean_gradient(const LinearModel& model, const at::Tensor& features, const at::Tensor& y, double C, bool multi_label) {
  const at::Tensor x = features.to(at::kDouble), logits = x.matmul(model.weight.t()) + model.bias;
  const at::Tensor error = (multi_label ? logits.sigmoid() : at::softmax(logits, 1)) - y;
  const at::Tensor of_weights = C * error.t().matmul(x - x.mean(0)) + model.weight, of_bias = C * error.sum(0);
  return std::max(of_weights.abs().max().item<double>(), of_bias.abs().max().item<double>()) /
         (C * static_cast<double>(x.size(0)));
}

// Few samples with features as networks give them: most of the variance in one direction, some in all. They can be separated, so
// that weak regularisation leaves a long way to go. This took more than 2000 steps.
TEST(LbfgsProbeTest, ArrivesWhereFeaturesVaryMuchMoreInSomeDirections) {
  at::manual_seed(3);
  const std::int64_t n = 60, dimension = 512;
  const at::Tensor deviation = 3 * at::pow(0.95, at::arange(dimension, at::kFloat));
  at::Tensor x = at::randn({n, dimension}) * deviation;
  x.select(1, 0).mul_(100);
  const at::Tensor ids = at::arange(n, at::kLong) % 8;
  const at::Tensor single = hot_rows(ids, 8), several = single + hot_rows((ids + 3) % 8, 8);
  for (const double C : {1.0, 10.0, 100.0}) {
    EXPECT_LT(mean_gradient(fit_probe(x, single, {.C = C}), x, single, C, false), 1.1e-6) << C;
    EXPECT_LT(mean_gradient(fit_probe(x, several, {.C = C, .multi_label = true}), x, several, C, true), 1.1e-6) << C;
  }
}

TEST(SgdProbeTest, StepsAsPyTorchDoes) {
  const ProbeOptions options{
      .solver = "sgd", .epochs = 25, .batch = 120, .lr = 0.3, .momentum = 0.9, .weight_decay = 0.01, .every = 10};
  const LinearModel single = fit_probe(golden("train_x"), hot_rows(golden("train_y"), 4), options);
  EXPECT_LT(largest_difference(single.weight, golden("sgd_w")), 1e-10);
  EXPECT_LT(largest_difference(single.bias, golden("sgd_b")), 1e-10);
  ProbeOptions several = options;
  several.multi_label = true;
  const LinearModel multi = fit_probe(golden("train_x"), golden("multi_train"), several);
  EXPECT_LT(largest_difference(multi.weight, golden("sgd_multi_w")), 1e-10);
  EXPECT_LT(largest_difference(multi.bias, golden("sgd_multi_b")), 1e-10);
}

TEST(SgdProbeTest, TheSeedAloneDecides) {
  const at::Tensor x = golden("train_x"), y = hot_rows(golden("train_y"), 4);
  const ProbeOptions options{.solver = "sgd", .epochs = 3, .batch = 16, .seed = 5};
  EXPECT_TRUE(at::equal(fit_probe(x, y, options).weight, fit_probe(x, y, options).weight));
  EXPECT_FALSE(
      at::equal(fit_probe(x, y, options).weight, fit_probe(x, y, {.solver = "sgd", .epochs = 3, .batch = 16, .seed = 6}).weight));
}

TEST(SgdProbeTest, AViewAnEpoch) {
  // Two epochs: the first sees view 0, the second view 1. With a view of zeros behind, the weights only decay.
  const at::Tensor x = golden("train_x"), y = hot_rows(golden("train_y"), 4);
  const ProbeOptions one{.solver = "sgd", .epochs = 1, .batch = 120, .momentum = 0, .weight_decay = 0.01, .every = 0},
      two{.solver = "sgd", .epochs = 2, .batch = 120, .momentum = 0, .weight_decay = 0.01, .every = 0};
  const at::Tensor after_one = fit_probe(x, y, one).weight,
                   after_two = fit_probe(at::stack({x, at::zeros_like(x)}), y, two).weight;
  EXPECT_LT(largest_difference(after_two, after_one * (1 - 0.1 * 0.01)), 1e-12);
}

TEST(ClassUniformTest, EveryClassGivesAsManyAndNoneTwiceBeforeAllOnce) {
  // classes of 3, 10 and 0 samples; the first of the three rows of class 0 is not among the rows asked for
  std::vector<std::int64_t> ids(13, 1);
  ids[0] = ids[5] = ids[12] = 0;
  const at::Tensor y = hot_rows(at::tensor(ids), 3);
  const at::Tensor rows = at::arange(1, 13, at::kLong);
  const auto order = class_uniform_rows(y, rows, 15, 1, 0);
  ASSERT_EQ(order.size(), 15U);
  std::map<std::int64_t, int> times;
  for (const auto row : order) ++times[row];
  EXPECT_EQ(times.count(0), 0U);
  const int zeros = times[5] + times[12];
  EXPECT_TRUE(zeros == 7 || zeros == 8) << zeros;
  EXPECT_LE(std::abs(times[5] - times[12]), 1);
  for (const std::int64_t row : {1, 2, 3, 4, 6, 7, 8, 9, 10, 11}) EXPECT_LE(times[row], 1);
  EXPECT_EQ(order, class_uniform_rows(y, rows, 15, 1, 0));
  EXPECT_NE(order, class_uniform_rows(y, rows, 15, 1, 1));
}

TEST(KnnTest, VotesAsScikitLearns) {
  const at::Tensor y = hot_rows(golden("train_y"), 4);
  for (const int k : {1, 7}) {
    const at::Tensor scores = knn_scores(golden("train_x"), y, golden("test_x"), k);
    EXPECT_LT(largest_difference(scores, golden("knn_" + std::to_string(k))), 1e-6) << k;
  }
}

TEST(ProbeBadInputTest, IsRefusedInOneLine) {
  const at::Tensor y = hot_rows(golden("train_y"), 4);
  at::Tensor x = golden("train_x").clone();
  x[17][2] = NAN;
  EXPECT_EQ(error_of<DataError>([&] { fit_probe(x, y, {}); }),
            "probe: the features of row 17 hold NaN or infinite values; the network they come from is broken");
  EXPECT_EQ(error_of<DataError>([&] { knn_scores(x, y, golden("test_x"), 3); }),
            "probe: the features of row 17 hold NaN or infinite values; the network they come from is broken");
  const at::Tensor others = at::arange(20, 100, at::kLong);
  EXPECT_NO_THROW(fit_probe(x, y, {}, others)) << "a row that is not used does no harm";
  EXPECT_EQ(error_of<DataError>([&] { fit_probe(golden("train_x"), hot_rows(at::zeros({120}, at::kLong), 4), {}); }),
            "probe: the training samples are all of one class; at least two are needed");
  EXPECT_EQ(error_of<DataError>([&] { knn_scores(golden("train_x"), y, golden("test_x"), 121); }),
            "knn: k is 121, there are 120 training samples");
  EXPECT_EQ(error_of<ConfigError>([&] { fit_probe(golden("train_x"), y, {.solver = "adam"}); }),
            "probe.solver is 'adam'; sgd or lbfgs");
}

}  // namespace
}  // namespace emotion
