#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// `file:line: problem` for every line of a split that cannot be used.
std::vector<std::string> line_problems(const Dataset& dataset, std::string_view split);

/// Every image of a split that is missing or cannot be decoded: `file:line: path: reason`, in manifest order.
/// Decodes on `workers` threads (0 = one per core). @throws Interrupted
std::vector<std::string> image_problems(const Manifest& manifest, int workers);

}  // namespace emotion
