#pragma once

#include <filesystem>

namespace emotion {

/// Writes RUN/report.html from what the run folder holds: metrics.jsonl (curves and figures of every evaluation),
/// validation.json (the last evaluation: classes, confusion, examples; metrics_json of eval/), config.yaml and log.txt.
///
/// The page needs nothing beside it: plots are inline SVG, pictures are within. `images` is the folder that example paths are
/// relative to; empty = no thumbnails. A file that is not there yet leaves its section out.
/// @throws RunError if the page cannot be written, DataError if a file of the run cannot be read
void write_run_report(const std::filesystem::path& run, const std::filesystem::path& images);

}  // namespace emotion
