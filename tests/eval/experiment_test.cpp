#include "emotion/eval/probe_experiment.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "golden.h"

namespace emotion {
namespace {

const std::vector<std::string> kClasses{"anger", "awe", "fear", "joy"};

ProbeSplit split(const char* features, const char* labels) {
  ProbeSplit result;
  result.features = golden(features).unsqueeze(0);
  result.labels = label_lists(hot_rows(golden(labels), 4));
  return result;
}
ProbeSplit train_split() { return split("train_x", "train_y"); }
ProbeSplit test_split() { return split("test_x", "test_y"); }

TEST(ProbeExperimentTest, AccuracyIsScikitLearns) {
  const ProbeSplit train = train_split(), test = test_split();
  const ProbeOutcome outcome = run_probe({}, kClasses, train, nullptr, &test);
  const double expected = (golden("softmax_one_predictions") == golden("test_y")).to(at::kDouble).mean().item<double>();
  EXPECT_DOUBLE_EQ(outcome.metrics.top1, expected);
  EXPECT_DOUBLE_EQ(outcome.mean, expected);
  EXPECT_TRUE(std::isnan(outcome.deviation)) << "one fit has none";
  EXPECT_EQ(outcome.score_name, "top1");
}

TEST(ProbeExperimentTest, TheSweepIsChosenOnValidationAndNeverOnTest) {
  const ProbeSplit train = train_split(), test = test_split();
  // Validation data whose labels are permuted: what fits the training data worst looks best there.
  ProbeSplit validation = test_split();
  for (auto& ids : validation.labels) ids[0] = (ids[0] + 1) % 4;
  ProbePlan plan{.sweep = {1e-6, 1.0}};
  const ProbeOutcome misled = run_probe(plan, kClasses, train, &validation, &test);
  ASSERT_EQ(misled.tried.size(), 2U);
  EXPECT_GT(misled.tried[0].second, misled.tried[1].second);
  EXPECT_EQ(misled.trials[0].setting, 1e-6);
  // Wrong test labels do not change the choice.
  ProbeSplit wrong = test;
  for (auto& ids : wrong.labels) ids[0] = (ids[0] + 1) % 4;
  EXPECT_EQ(run_probe(plan, kClasses, train, nullptr, &wrong).trials[0].setting,
            run_probe(plan, kClasses, train, nullptr, &test).trials[0].setting);
  // The chosen setting alone gives the same accuracy: the fit that is measured sees all training samples.
  const ProbeOutcome chosen = run_probe(plan, kClasses, train, nullptr, &test);
  ProbePlan direct;
  direct.fit.C = chosen.trials[0].setting;
  EXPECT_EQ(run_probe(direct, kClasses, train, nullptr, &test).metrics.top1, chosen.metrics.top1);
}

TEST(ProbeExperimentTest, FoldsPredictEverySampleOnceUnseenAndAreStratified) {
  const ProbeSplit train = train_split();
  const ProbeOutcome outcome = run_probe({.folds = 5}, kClasses, train, nullptr, nullptr);
  ASSERT_EQ(outcome.trials.size(), 5U);
  std::uint64_t left_out = 0;
  double mean = 0, squares = 0;
  for (const ProbeTrial& trial : outcome.trials) {
    EXPECT_EQ(trial.trained_on, 96U) << "120 samples in 5 parts";
    left_out += 120 - trial.trained_on;
    mean += trial.score / 5;
  }
  for (const ProbeTrial& trial : outcome.trials) squares += (trial.score - mean) * (trial.score - mean);
  EXPECT_EQ(left_out, 120U);
  EXPECT_NEAR(outcome.mean, mean, 1e-12);
  EXPECT_NEAR(outcome.deviation, std::sqrt(squares / 4), 1e-12);
  EXPECT_EQ(outcome.predictions.size(), 120U);
  EXPECT_NEAR(outcome.metrics.top1, mean, 1e-12) << "folds of equal size";
  // Labels that say nothing about features are not learned: a sample never sees its own label.
  ProbeSplit noise = train_split();
  std::uint64_t state = 1;
  for (auto& ids : noise.labels)
    ids[0] = static_cast<std::uint32_t>((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 62);
  ProbePlan nearest{.method = "knn", .k = 1, .folds = 5};
  EXPECT_LT(run_probe(nearest, kClasses, noise, nullptr, nullptr).mean, 0.5) << "k = 1 would be right on a sample it has seen";
}

// Every picture stands twice, with labels that say nothing about features: k = 1 is right where it has seen the other one.
TEST(ProbeExperimentTest, SamplesOfOnePictureAreNotParted) {
  ProbeSplit train = train_split();
  const ProbeSplit test = test_split();
  ProbeSplit each = train;
  for (std::uint32_t i = 0; i < 120; ++i) each.pictures.push_back(119 - i);
  EXPECT_EQ(run_probe({.folds = 5}, kClasses, each, nullptr, nullptr).mean,
            run_probe({.folds = 5}, kClasses, train, nullptr, nullptr).mean)
      << "pictures of their own change nothing";
  std::uint64_t state = 1;
  for (auto& ids : train.labels)
    ids[0] = static_cast<std::uint32_t>((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 62);
  train.features = at::cat({train.features, train.features}, 1);
  train.labels.insert(train.labels.end(), train.labels.begin(), train.labels.begin() + 120);
  for (std::uint32_t i = 0; i < 240; ++i) train.pictures.push_back(i % 120);
  EXPECT_LT(run_probe({.method = "knn", .k = 1, .folds = 5}, kClasses, train, nullptr, nullptr).mean, 0.5);
  EXPECT_LT(run_probe({.method = "knn", .sweep = {1}}, kClasses, train, nullptr, &test).trials[0].validation, 0.5);
  // 60 samples of 'joy' that two pictures show.
  for (std::size_t i = 0; i < 240; ++i) {
    train.labels[i] = {static_cast<std::uint32_t>(i % 4)};
    if (i % 4 == 3) train.pictures[i] = i % 8 == 3 ? 1000 : 1001;
  }
  EXPECT_EQ(error_of<DataError>([&] { run_probe({.folds = 3}, kClasses, train, nullptr, nullptr); }),
            "probe: 3 folds, but class 'joy' has 2 pictures; at most as many folds as those");
  for (auto& number : train.pictures) number = 7;
  EXPECT_EQ(error_of<DataError>([&] { run_probe({.sweep = {1}}, kClasses, train, nullptr, &test); }),
            "probe: all training samples are of one picture: none is left to choose from the sweep; name a split that does");
}

TEST(ProbeExperimentTest, SeedsAndFraction) {
  const ProbeSplit train = train_split(), test = test_split();
  const ProbeOutcome outcome = run_probe({.seeds = 4, .fraction = 0.25}, kClasses, train, nullptr, &test);
  ASSERT_EQ(outcome.trials.size(), 4U);
  EXPECT_EQ(outcome.trials[0].trained_on, 30U);
  EXPECT_EQ(outcome.trials[3].seed, 4U);
  EXPECT_GT(outcome.deviation, 0) << "other seeds draw other samples";
}

TEST(ProbeExperimentTest, OneAgainstAllCountsYesAndNo) {
  const ProbeSplit train = train_split(), test = test_split();
  const ProbeOutcome outcome = run_probe({.one_vs_all = true}, kClasses, train, nullptr, &test);
  ASSERT_EQ(outcome.binary_accuracy.size(), 4U);
  const at::Tensor scores = at::from_blob(const_cast<float*>(outcome.predictions.scores.data()), {60, 4});
  const at::Tensor right = ((scores > 0) == (hot_rows(golden("test_y"), 4) > 0)).to(at::kDouble).mean(0);
  for (std::int64_t k = 0; k < 4; ++k)
    EXPECT_NEAR(outcome.binary_accuracy[static_cast<std::size_t>(k)], right[k].item<double>(), 1e-12);
}

// Each class learns as if it were alone, at the rate and with the decay that are asked for, whatever their number.
TEST(ProbeExperimentTest, OneAgainstAllIsAFitAClass) {
  const ProbeSplit train = train_split(), test = test_split();
  const ProbeOptions sgd{.solver = "sgd", .epochs = 4, .batch = 16, .lr = 0.1, .weight_decay = 0.01, .every = 2};
  const LinearModel together = run_probe({.fit = sgd, .one_vs_all = true}, kClasses, train, nullptr, &test).model;
  ProbeOptions alone = sgd;
  alone.multi_label = true;
  for (std::int64_t k = 0; k < 4; ++k) {
    const LinearModel one = fit_probe(golden("train_x"), hot_rows(golden("train_y"), 4).narrow(1, k, 1), alone);
    EXPECT_LT(largest_difference(together.weight[k], one.weight[0]), 1e-12) << k;
    EXPECT_LT(largest_difference(together.bias[k], one.bias[0]), 1e-12) << k;
  }
}

TEST(ProbeExperimentTest, SeveralLabelsAreMeasuredByMeanAveragePrecisionAsScikitLearns) {
  ProbeSplit train = train_split(), test = test_split();
  train.labels = label_lists(golden("multi_train"));
  test.labels = label_lists(golden("multi_test"));
  const std::vector<std::string> classes{"a", "b", "c", "d", "e"};
  ProbePlan plan;
  plan.fit.multi_label = true;
  const ProbeOutcome outcome = run_probe(plan, classes, train, nullptr, &test);
  EXPECT_EQ(outcome.score_name, "mAP");
  EXPECT_NEAR(outcome.mean, golden("multi_ap").mean().item<double>(), 1e-9) << "the fifth class has no test sample";
  EXPECT_EQ(outcome.mean, outcome.metrics.mean_average_precision);
}

// Augmented views are trained on. What is held out is scored without augmentation.
TEST(ProbeExperimentTest, HeldOutSamplesAreScoredWithoutAugmentation) {
  const ProbeSplit plain = train_split(), test = test_split();
  ProbeSplit views = plain;
  views.features = at::cat({plain.features, plain.features});
  views.scored = plain.features[0];
  const ProbeOutcome expected = run_probe({.folds = 4}, kClasses, plain, nullptr, nullptr),
                     outcome = run_probe({.folds = 4}, kClasses, views, nullptr, nullptr);
  EXPECT_EQ(outcome.mean, expected.mean) << "two views that are the picture itself";
  // Held out, every sample looks like another one of the next class: nearly all answers are wrong.
  const at::Tensor ids = golden("train_y");
  std::vector<std::int64_t> other;
  for (std::int64_t i = 0; i < 120; ++i) {
    std::int64_t j = 0;
    while (ids[j].item<std::int64_t>() != (ids[i].item<std::int64_t>() + 1) % 4) ++j;
    other.push_back(j);
  }
  views.scored = plain.features[0].index_select(0, at::tensor(other));
  EXPECT_LT(run_probe({.folds = 4}, kClasses, views, nullptr, nullptr).mean, 0.1);
  const ProbeOutcome swept = run_probe({.sweep = {1.0}}, kClasses, views, nullptr, &test);
  EXPECT_LT(swept.trials[0].validation, 0.1);
  EXPECT_GT(swept.trials[0].score, 0.5) << "test data have their own pictures";
}

// Features of class k are the unit vector k; unaugmented, a sample looks like one of the next class: every answer is wrong.
TEST(ProbeExperimentTest, NeighboursOfHeldOutSamplesAreSoughtWithoutAugmentationToo) {
  const at::Tensor ids = at::arange(32, at::kLong) % 4;
  ProbeSplit train;
  train.features = hot_rows(ids, 4).to(at::kFloat).unsqueeze(0);
  train.labels = label_lists(hot_rows(ids, 4));
  const ProbeSplit test = train;
  EXPECT_EQ(run_probe({.method = "knn", .k = 1, .folds = 4}, kClasses, train, nullptr, nullptr).mean, 1.0);
  train.scored = hot_rows((ids + 1) % 4, 4).to(at::kFloat);
  EXPECT_EQ(run_probe({.method = "knn", .k = 1, .folds = 4}, kClasses, train, nullptr, nullptr).mean, 0.0);
  const ProbeOutcome swept = run_probe({.method = "knn", .sweep = {1}}, kClasses, train, nullptr, &test);
  EXPECT_EQ(swept.trials[0].validation, 0.0);
  EXPECT_EQ(swept.trials[0].score, 1.0) << "test data have their own pictures";
}

/// The warnings of a probe, a line each.
std::string warnings(const ProbePlan& plan, const ProbeSplit& train, const ProbeSplit* test) {
  LogCapture capture(LogLevel::kInfo);
  run_probe(plan, kClasses, train, nullptr, test);
  std::string found;
  const std::string log = capture.text();
  for (std::size_t begin = 0; (begin = log.find("probe: ", begin)) != std::string::npos;) {
    const std::size_t end = log.find('\n', begin);
    found += log.substr(begin, end + 1 - begin);
    begin = end;
  }
  return found;
}

// 30 samples each of four classes, but one, which has 6.
TEST(ProbeExperimentTest, WhatIsCountedIsWhatIsTrainedOn) {
  ProbeSplit train = train_split();
  const ProbeSplit test = test_split();
  for (std::size_t i = 0; i < 120; ++i) train.labels[i] = {static_cast<std::uint32_t>(i < 6 ? 3 : i % 3)};
  const std::string text = "class 'joy' has {} training samples: it can hardly win a vote\n";
  EXPECT_EQ(warnings({.method = "knn", .k = 6}, train, &test), "");
  EXPECT_EQ(warnings({.method = "knn", .k = 7}, train, &test), "probe: k is 7, but " + fmt::format(fmt::runtime(text), 6));
  EXPECT_EQ(warnings({.method = "knn", .sweep = {1, 9, 3}}, train, &test),
            "probe: k is 9, but " + fmt::format(fmt::runtime(text), 6))
      << "a sweep's largest";
  EXPECT_EQ(warnings({.method = "knn", .k = 6, .folds = 6}, train, nullptr),
            "probe: k is 6, but " + fmt::format(fmt::runtime(text), 5))
      << "one of six is held out";
  const ProbePlan part{.method = "knn", .k = 13, .fraction = 0.1};
  EXPECT_EQ(error_of<DataError>([&] { run_probe(part, kClasses, train, nullptr, &test); }),
            "knn: k is 13, there are 12 training samples");
  // Two samples of 120, both of the class that all but one have.
  for (std::size_t i = 0; i < 120; ++i) train.labels[i] = {i == 0 ? 1U : 0U};
  const std::string drawn = error_of<DataError>([&] { run_probe({.fraction = 0.02}, kClasses, train, nullptr, &test); });
  EXPECT_EQ(drawn, "probe: all 2 training samples are of class 'anger'; at least two classes are needed");
}

/// The largest tensor that this thread allocates while a guard holds it.
struct LargestAllocation : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
    largest = std::max(largest, bytes);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t largest = 0;
};

// Features of many views are a mapped file, larger than memory.
TEST(ProbeExperimentTest, FeaturesAreNeverHeldInMemoryAsAWhole) {
  ProbeSplit train = train_split();
  const ProbeSplit test = test_split();
  train.features = train.features.expand({50, -1, -1});
  const auto memory = std::make_shared<LargestAllocation>();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, memory);
    run_probe({.fit = {.solver = "sgd", .epochs = 2}}, kClasses, train, nullptr, &test);
  }
  EXPECT_GT(memory->largest, 0);
  EXPECT_LT(memory->largest, train.features.numel() * 4 / 2);
  // NaN in the last view, or in what is scored.
  train.features = train.features.contiguous();
  train.features[49][7][1] = NAN;
  const std::string broken = ": its features hold NaN or infinite values; the network they come from is broken";
  EXPECT_EQ(error_of<DataError>([&] { run_probe({}, kClasses, train, nullptr, &test); }), "training sample 7" + broken);
  train = train_split();
  train.scored = train.features[0].clone();
  train.scored[9][0] = -INFINITY;
  EXPECT_EQ(error_of<DataError>([&] { run_probe({}, kClasses, train, nullptr, &test); }), "training sample 9" + broken);
}

// Two samples of 'joy', whose first label is one that many have.
TEST(ProbeExperimentTest, FoldsAreStratifiedByTheRarestLabel) {
  ProbeSplit train = train_split();
  for (std::size_t i = 0; i < 120; ++i) train.labels[i] = {static_cast<std::uint32_t>(i % 3)};
  for (const std::size_t i : {30U, 60U}) train.labels[i] = {0, 3};
  EXPECT_EQ(warnings({.method = "knn", .k = 1, .seeds = 10, .folds = 2}, train, nullptr), "") << "one in each fold, by any seed";
}

// Pictures of two samples each are dealt out by the first one: 0 (anger) to fold 0, 1 (awe) to fold 1, 2 (fear) to fold 0, then
// those of joy. Anger is of pictures 0 and 2, awe of 0 and 1, fear of 1 and 2.
TEST(ProbeExperimentTest, ClassesWithoutATestSampleInAFoldAreNamed) {
  ProbeSplit train = train_split();
  const std::vector<std::uint32_t> labels{0, 1, 1, 2, 2, 0};
  for (std::uint32_t i = 0; i < 120; ++i) {
    train.labels[i] = {i < 6 ? labels[i] : 3U};
    train.pictures.push_back(i < 6 ? i / 2 : i);
  }
  EXPECT_EQ(warnings({.folds = 2}, train, nullptr),
            "probe: some fits have no training sample of anger: never predicted there\n"
            "probe: some folds have no test sample of anger: left out of mAP there\n");
}

TEST(ProbeExperimentTest, BadInput) {
  ProbeSplit train = train_split(), test = test_split();
  const auto error = [&](const ProbePlan& plan) {
    return error_of<Error>([&] { run_probe(plan, kClasses, train, nullptr, &test); });
  };
  const at::Tensor counts = hot_rows(golden("train_y"), 4).sum(0);
  const auto smallest = counts.argmin().item<std::int64_t>();
  EXPECT_EQ(error({.folds = 60}),
            fmt::format("probe: 60 folds, but class '{}' has {:.0f} samples; at most as many folds as those",
                        kClasses[static_cast<std::size_t>(smallest)], counts[smallest].item<double>()));
  EXPECT_EQ(error({.folds = 1}), "probe.folds is 1; 0 (none) or at least 2");
  EXPECT_EQ(error({.method = "svm"}), "probe.method is 'svm'; linear or knn");
  ProbePlan knn{.method = "knn", .k = 121};
  EXPECT_EQ(error(knn), "knn: k is 121, there are 120 training samples");
  EXPECT_EQ(error({.method = "knn", .sweep = {1, 2.5}}), "probe.sweep: 2.5 is no number of neighbours");
  train.place = [](std::size_t i) { return "train.jsonl:" + std::to_string(i + 1) + ": img/" + std::to_string(i) + ".jpg"; };
  train.features = train.features.clone();
  train.features[0][3][1] = INFINITY;
  EXPECT_EQ(error({}),
            "train.jsonl:4: img/3.jpg: its features hold NaN or infinite values; the network they come from is broken");
  train = train_split();
  for (auto& ids : train.labels) ids = {2};
  EXPECT_EQ(error({}), "probe: all 120 training samples are of class 'fear'; at least two classes are needed");
}

}  // namespace
}  // namespace emotion
