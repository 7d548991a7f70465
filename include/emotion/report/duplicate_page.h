#pragma once

#include <string>

#include "emotion/data/duplicates.h"
#include "emotion/data/manifest.h"

namespace emotion {

/// A page with the pictures of each group, the kept one first, at most `most` groups (the largest first).
std::string duplicate_page(const Dataset& dataset, const DuplicateReport& report, std::size_t most);

}  // namespace emotion
