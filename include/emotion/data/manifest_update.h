#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// Replaces one text field ("face", "regions") of a split's lines, in the whole file or not at all. No other field changes.
///
/// Another command that does so waits meanwhile (SPLIT.jsonl.lock).
///
/// values[i] belongs to sample i: nothing = its line stays as it is, empty text = the field goes.
/// @throws DataError if the file is no longer the one that `manifest` was opened from; RunError (disk)
void update_manifest(const Manifest& manifest, std::string_view field, const std::vector<std::optional<std::string>>& values);

}  // namespace emotion
