#pragma once

#include "emotion/config/run_config.h"

namespace emotion {

/// Runs a training from its config into its run folder, from the start or, with `resume`, from the last checkpoint.
///
/// A run that is killed at any instant and resumed ends with the same weights as one that never was.
/// @throws ConfigError (bad config, the folder is in use), DataError, WeightsError, RunError (NaN loss, disk full), Interrupted after saving
void train(const RunConfig& config, bool resume);

}  // namespace emotion
