#pragma once

#include <optional>
#include <string>
#include <vector>

#include "emotion/data/statistics.h"

namespace emotion {

/// A page of a data set's statistics: sizes, keywords an image, pictures with faces and bodies, classes by frequency, which
/// emotions stand together, label noise where it was checked.
std::string dataset_page(const Dataset& dataset, const std::vector<SplitStatistics>& splits, const CooccurrenceMatrix& together,
                         const std::optional<LabelNoise>& noise);

}  // namespace emotion
