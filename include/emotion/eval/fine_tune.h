#pragma once

#include <filesystem>

#include "emotion/config/run_config.h"
#include "emotion/eval/probe_experiment.h"

namespace emotion {

/// The training that measures a network by going on with all of its weights on the probe's data: task classifier, model.init
/// the checkpoint, optimizer, schedule, train and data transform as `config` has them. With several labels a sample: task
/// emotionnet with the labels as targets (Eq 2), without text.
RunConfig fine_tune_config(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run);

/// Trains it into the folder `run` (a run that stopped there goes on) and measures its best checkpoint on the test data.
/// @throws ConfigError where the probe asks for what a training does not have (folds, box crops, views, ..)
ProbeReport fine_tune(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run);

}  // namespace emotion
