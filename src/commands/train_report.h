#pragma once

#include <filesystem>

#include "emotion/config/run_config.h"
#include "emotion/train/trainer.h"

namespace emotion {

/// What RUN/report.html shows beside the trainer's own files; each is written whole or not at all.
///
/// data.json: samples, classes and keywords of the run's splits: of what the run uses, `chosen` by its task, and how many samples
/// there are.
void write_data_summary(const RunConfig& config, const ChosenSamples& chosen);
/// features.json: some validation pictures in the best network's feature space: principal and neighbour map, and the pictures
/// nearest to a few. At most 300 pictures, once at the end. Nothing for a task that looks neither at pictures nor at their faces,
/// nor without validation data. @throws Interrupted
void write_feature_map(const RunConfig& config);
/// Seconds that this command and those before it, with --resume, have run.
struct RunTimes {
  double seconds = 0;  ///< all of it
  StageTimes stages{};
};
/// times.json: those, and bytes of memory this command took at most.
void write_times(const RunConfig& config, const RunTimes& times);
/// The seconds that times.json holds; 0 without one.
RunTimes read_times(const RunConfig& config);

}  // namespace emotion
