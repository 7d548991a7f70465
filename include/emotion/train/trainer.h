#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// What the hook gets after a validation.
struct ValidationEvent {
  std::int64_t step, epoch;  ///< steps done; the epoch that ended, from 1
  const Predictions& predictions;
  const std::vector<std::uint64_t>& samples;  ///< the manifest's number of each row of predictions
  const ClassificationMetrics& metrics;
  const Manifest& manifest;
  const std::vector<std::string>& classes;
};

/// Seconds that a run has spent beside its training steps.
struct StageTimes {
  double evaluation = 0;   ///< of the validation split, without what the hook does with it
  double checkpoints = 0;  ///< gathering and writing them
};

/// The samples of its splits that a run uses, as far as its task leaves some out: those without a face, or without a keyword to
/// read. Nothing = all of them.
struct ChosenSamples {
  std::optional<std::vector<std::uint64_t>> train, validation;
};

/// What a caller may have beside: nothing of it changes the run.
struct TrainHooks {
  std::function<void(const ChosenSamples&)> begins{};       ///< once, when data and weights are read
  std::function<void(const ValidationEvent&)> evaluated{};  ///< after every evaluation, metrics.jsonl written
  std::int64_t profile_steps = 0;                           ///< steps that rank 0 traces into RUN/trace.json
  StageTimes* times = nullptr;                              ///< what the stages take is added there as the run goes on
};

/// Runs a training from its config into its run folder, from the start or, with `resume`, from the last checkpoint.
///
/// A run that is killed at any instant and resumed ends with the same weights as one that never was. The config is taken as it
/// is: load_run_config() has checked one that comes from a file, check_run_config() checks one that was filled in C++.
/// @throws ConfigError (bad config, the folder is in use), DataError, WeightsError, RunError (NaN loss, disk full), Interrupted
/// after saving; PeerLost if another process of `group` failed. Every process of the group calls it with the same config: only
/// rank 0 writes, and calls the hooks
void train(const RunConfig& config, bool resume, const TrainHooks& hooks = {}, ProcessGroup group = {});

}  // namespace emotion
