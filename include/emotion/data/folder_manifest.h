#pragma once

#include <filesystem>

#include "emotion/data/manifest.h"

namespace emotion {

/// A manifest over the images below a folder, linked folders too, sorted by path; files that systems leave behind (._1.jpg) are
/// none. `scratch` is a folder for it, removed by the caller.
/// @throws DataError: no picture in it; a name that is not UTF-8
Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch);

}  // namespace emotion
