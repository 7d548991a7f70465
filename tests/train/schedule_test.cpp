#include "emotion/train/schedule.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emotion {
namespace {

TEST(ScheduleTest, StepDividesByTenEveryTenEpochs) {
  const Schedule schedule({.name = "step", .every = 10, .gamma = 0.1, .milestones = {}}, 1e-3, 5, 150);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(49), 1e-3);
  EXPECT_NEAR(schedule.learning_rate(50), 1e-4, 1e-18);
  EXPECT_NEAR(schedule.learning_rate(149), 1e-5, 1e-18);
}

TEST(ScheduleTest, MultistepChangesAtItsEpochs) {
  const Schedule schedule({.name = "multistep", .gamma = 0.5, .milestones = {2, 3}}, 1.0, 10, 100);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(19), 1.0);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(20), 0.5);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(30), 0.25);
}

TEST(ScheduleTest, CosineFallsFromTheEndOfWarmUpToItsLastRate) {
  const Schedule schedule({.name = "cosine", .milestones = {}, .warmup = 1, .min_lr = 0.1}, 1.0, 10, 110);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 0.1);  // 1 / 10 of the way up
  EXPECT_DOUBLE_EQ(schedule.learning_rate(9), 1.0);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(10), 1.0);
  EXPECT_NEAR(schedule.learning_rate(60), 0.1 + 0.45, 1e-12);  // half of the hundred steps
  EXPECT_NEAR(schedule.learning_rate(110), 0.1, 1e-12);
}

// (step + 1) / warm-up steps of what the course itself gives at that step.
TEST(ScheduleTest, WarmUpScalesEveryCourse) {
  const auto rates = [](const ScheduleConfig& config) {
    const Schedule schedule(config, 1.0, 4, 40);
    std::vector<double> all;
    for (const std::int64_t step : {0, 3, 4, 7, 8, 12}) all.push_back(schedule.learning_rate(step));
    return all;
  };
  const auto near = [](const std::vector<double>& wanted) { return ::testing::Pointwise(::testing::DoubleNear(1e-12), wanted); };
  EXPECT_THAT(rates({.name = "constant", .milestones = {}, .warmup = 2}), near({1 / 8.0, 4 / 8.0, 5 / 8.0, 1, 1, 1}));
  EXPECT_THAT(rates({.name = "step", .every = 1, .gamma = 0.1, .milestones = {}, .warmup = 2}),
              near({1 / 8.0, 4 / 8.0, 0.1 * 5 / 8, 0.1, 0.01, 0.001}));
  EXPECT_THAT(rates({.name = "multistep", .gamma = 0.5, .milestones = {1, 3}, .warmup = 2}),
              near({1 / 8.0, 4 / 8.0, 0.5 * 5 / 8, 0.5, 0.5, 0.25}));
}

TEST(ScheduleTest, WarmUpMayEndWithinAnEpoch) {
  const Schedule schedule({.name = "constant", .milestones = {}, .warmup = 0.5}, 2.0, 4, 40);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(1), 2.0);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(2), 2.0);
}

}  // namespace
}  // namespace emotion
