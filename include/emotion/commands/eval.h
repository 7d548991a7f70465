#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

/// What every command that runs a trained network takes.
struct CheckpointOptions {
  std::string checkpoint, device = "auto";
  std::vector<std::string> settings;
  int batch = 64, workers = 0;
};

struct EvalOptions : CheckpointOptions {
  std::string data, split, output;
};

struct ProbeCommand : CheckpointOptions {
  std::string config, data, train_split = "train", test_split = "test", solver, output;
  double C = 0, fraction = 1;
  std::uint64_t seed = 1;
};

struct ExtractOptions : CheckpointOptions {
  std::string data, split = "train", out;
};

struct PredictOptions : CheckpointOptions {
  std::vector<std::string> inputs;
  std::string json, report;
  int top = 5;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_eval(const emotion::EvalOptions& options);
EMOTION_COMMAND void emotion_probe(const emotion::ProbeCommand& options);
EMOTION_COMMAND void emotion_extract(const emotion::ExtractOptions& options);
EMOTION_COMMAND void emotion_predict(const emotion::PredictOptions& options);
