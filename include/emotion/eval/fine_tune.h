#pragma once

#include <filesystem>

#include "emotion/config/run_config.h"
#include "emotion/eval/probe_experiment.h"

namespace emotion {

/// The training that measures a network by going on with all of its weights on the probe's data: task classifier (expression for
/// a network of that task), model.init the checkpoint, optimizer, schedule and train as `config` has them; pictures as
/// request.pictures, or the checkpoint's own, as for frozen features.
/// @throws DataError for samples of several labels: a training has no binary cross-entropy, which the other methods use
RunConfig fine_tune_config(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run);

/// Trains it into the folder `run` (a run that stopped there goes on) and measures its best checkpoint on the test data.
/// @throws ConfigError where the probe asks for what a training does not have (folds, box crops, views, ..), or where the run
/// there began with weights or data of the same name and other contents, of which it keeps digests in inputs.json
ProbeReport fine_tune(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run);

}  // namespace emotion
