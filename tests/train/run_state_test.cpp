#include "../../src/train/run_state.h"

#include <chrono>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../src/train/throughput.h"
#include "../support/scratch.h"

namespace emotion {
namespace {

using Metadata = std::map<std::string, std::string>;

/// As a run by two processes writes it.
const Metadata kMetadata{{"step", "12"},           {"evaluated", "0"},     {"best_step", "8"},
                         {"best_value", "0.1"},    {"epoch", "3"},         {"offset", "64"},
                         {"extra_epoch", "5"},     {"extra_offset", "16"}, {"processes", "2"},
                         {"loss_scale", "1024 7"}, {"averaged", "0"},      {"loss_window", R"([["loss",1.5,4.0]])"},
                         {"loss_window.1", "[]"}};

Metadata without(const std::string& key) {
  Metadata metadata = kMetadata;
  metadata.erase(key);
  return metadata;
}

TEST(RunState, MetadataIsReadAndWrittenAgain) {
  const RunState state = RunState::from_metadata(kMetadata, "state.safetensors");
  EXPECT_EQ(state.step, 12);
  EXPECT_FALSE(state.evaluated);
  EXPECT_EQ(state.best_step, 8);
  EXPECT_EQ(state.best_value, 0.1);
  EXPECT_EQ(state.place.epoch, 3);
  EXPECT_EQ(state.place.offset, 64);
  EXPECT_EQ(state.extra_place.epoch, 5);
  EXPECT_EQ(state.extra_place.offset, 16);
  EXPECT_EQ(state.processes, 2);
  EXPECT_EQ(state.loss_scale, "1024 7");
  EXPECT_EQ(state.averaged, false);
  EXPECT_EQ(state.windows, (std::vector<std::string>{R"([["loss",1.5,4.0]])", "[]"}));
  EXPECT_EQ(state.to_metadata(), kMetadata);
}

// A run that goes on ends with the bits of one that never stopped: the best value too.
TEST(RunState, NoBitOfTheBestValueIsLost) {
  for (const double value : {1.0 / 3, 0.1 + 0.2, -1e-300}) {
    RunState state;
    state.keep_best("top1", value);
    state.windows = {"[]"};
    EXPECT_EQ(RunState::from_metadata(state.to_metadata(), "").best_value, value);
  }
}

TEST(RunState, ScaleAndAverageMayBeMissing) {
  EXPECT_EQ(RunState::from_metadata(without("loss_scale"), "").loss_scale, "");
  EXPECT_EQ(RunState::from_metadata(without("loss_scale"), "").to_metadata(), without("loss_scale"));
  EXPECT_EQ(RunState::from_metadata(without("averaged"), "").averaged, std::nullopt);
  EXPECT_EQ(RunState::from_metadata(without("averaged"), "").to_metadata(), without("averaged"));
}

TEST(RunState, WhatIsMissingOrNoNumberIsNamedByItsFile) {
  const auto error = [](const Metadata& metadata) {
    return error_of<WeightsError>([&] { RunState::from_metadata(metadata, "run/state.safetensors"); });
  };
  const std::string expected = "run/state.safetensors: its metadata is not that of a checkpoint";
  EXPECT_EQ(error({}), expected);
  for (const auto& [key, value] : kMetadata) {
    if (key == "loss_scale" || key == "averaged") continue;
    EXPECT_EQ(error(without(key)), expected) << key;
    if (key == "evaluated" || key.starts_with("loss_window")) continue;
    for (const char* bad : {"", "many", "99999999999999999999"}) {
      if (key == "best_value" && bad[0] == '9') continue;
      Metadata metadata = kMetadata;
      metadata[key] = bad;
      EXPECT_EQ(error(metadata), expected) << key << " = " << bad;
    }
  }
  Metadata more = kMetadata;
  more["processes"] = "9000000000000000000";
  EXPECT_EQ(error(more), expected);
}

TEST(RunState, TheBestIsTheLowestLossAndTheHighestOfEverythingElse) {
  RunState loss, top1;
  const auto step = [&](std::int64_t number, double value) {
    loss.step = top1.step = number;
    loss.keep_best("loss", value);
    top1.keep_best("top1", value);
  };
  step(1, std::nan(""));
  EXPECT_EQ(loss.best_step, -1);
  step(2, -0.5);  // the first is the best, whatever it is
  EXPECT_EQ(top1.best_step, 2);
  step(3, std::numeric_limits<double>::infinity());
  step(4, -0.5);  // the same is not better
  EXPECT_EQ(loss.best_step, 2);
  EXPECT_EQ(top1.best_step, 2);
  step(5, 0.25);
  step(6, -0.75);
  EXPECT_EQ(loss.best_step, 6);
  EXPECT_EQ(loss.best_value, -0.75);
  EXPECT_EQ(top1.best_step, 5);
  EXPECT_EQ(top1.best_value, 0.25);
}

// Time passes by shift(): a span before now that was training is one that began earlier.
TEST(Throughput, CountsTrainingAlone) {
  using std::chrono::seconds;
  Throughput throughput;
  throughput.restart(/*waited=*/3);
  throughput.add(30);
  throughput.add(10);
  throughput.shift(-seconds(10));
  throughput.shift(seconds(2));  // a checkpoint
  const Throughput::Rates first = throughput.take(/*waited=*/5);
  EXPECT_NEAR(first.seconds, 8, 0.5);
  EXPECT_NEAR(first.samples_per_second, 5, 0.5);
  EXPECT_NEAR(first.data_wait, 0.25, 0.02);

  // An evaluation: the seconds before it are the next line's, the rates are of what comes after.
  throughput.add(1000);
  throughput.shift(-seconds(4));
  throughput.pause();
  throughput.shift(-seconds(100));
  throughput.restart(/*waited=*/7);
  throughput.add(6);
  throughput.shift(-seconds(2));
  const Throughput::Rates second = throughput.take(/*waited=*/7);
  EXPECT_NEAR(second.seconds, 6, 0.5);
  EXPECT_NEAR(second.samples_per_second, 3, 0.5);
  EXPECT_EQ(second.data_wait, 0);
}

}  // namespace
}  // namespace emotion
