#pragma once

#include <filesystem>
#include <string_view>

#include "emotion/data/manifest.h"

namespace emotion {

/// A sample's face or region file: below the data set's own folder, where the commands that find faces and regions write theirs,
/// so that a folder of pictures which data sets share stays as it is; where there is none, below the data sets that this one was
/// made from, the last first; else below the image root.
/// @throws DataError if `relative` leaves the folder
std::filesystem::path stimulus_path(const Dataset& dataset, std::string_view relative);

}  // namespace emotion
