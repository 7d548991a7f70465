#pragma once

#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

struct TrainOptions {
  /// A YAML file, or a run folder for the config.yaml in it. With `resume` the config.yaml of a run means the folder where it
  /// lies, unless `output` (or a setting) names one.
  std::string config, output, device;
  std::vector<std::string> settings;
  int nproc = 0;    ///< 0 = not given: as the environment of torchrun or Slurm says
  int profile = 0;  ///< steps traced into RUN/trace.json
  bool resume = false, print_config = false, schema = false;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_train(const emotion::TrainOptions& options);
