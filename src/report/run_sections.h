#pragma once

#include <filesystem>
#include <string>

#include "run_files.h"

namespace emotion {

/// Parts of a run's page that come from the files written beside the trainer's own; empty where a file is not there.
///
/// features.json: the principal and the neighbour map, a colour a class.
std::string feature_map_html(const Json& features);
/// features.json: some pictures, each with those whose features are nearest.
std::string nearest_pictures_html(const Json& features, const std::filesystem::path& images);
/// data.json: how many samples, labels and keywords each split has, and the classes of the training split.
std::string data_html(const Json& data);
/// times.json (evaluations, checkpoints) and the seconds in metrics.jsonl (training steps; where there are none, an estimate
/// from its rates): where the time went.
std::string time_html(const Json& times, const MetricLines& lines, double samples_a_step);
/// Programs and machine.
std::string versions_html();

}  // namespace emotion
