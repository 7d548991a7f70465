#pragma once

#include <filesystem>

#include "emotion/report/paper_table.h"

namespace emotion {

/// A figure of metrics.json. @throws DataError if it is not there
double read_metric(const std::filesystem::path& file, const Measurement& measurement);
/// Whether it is: what is measured without its figure is still to be measured.
bool has_metric(const std::filesystem::path& file, const Measurement& measurement);

}  // namespace emotion
