#pragma once

#include <filesystem>

#include "emotion/config/run_config.h"

namespace emotion {

/// What RUN/report.html shows beside the trainer's own files; each is written whole or not at all.
///
/// data.json: samples, classes and keywords of the run's splits.
void write_data_summary(const RunConfig& config);
/// features.json: some validation pictures in the best network's feature space: principal and neighbour map, and the pictures
/// nearest to a few. At most 300 pictures, once at the end. Nothing for a task without an image network or validation data.
void write_feature_map(const RunConfig& config);
/// times.json: seconds this command and those before it, with --resume, have run; bytes of memory this one took at most.
void write_times(const RunConfig& config, double seconds_before, double seconds);
/// The seconds that times.json holds; 0 without one.
double read_times(const RunConfig& config);

}  // namespace emotion
