#pragma once

#include <filesystem>

namespace emotion {

/// Whether a result can be written there, asked before the work that makes it; nothing is written.
///
/// A file, whose folder has to exist. @throws RunError as writing it would
void check_writable_file(const std::filesystem::path& file);
/// A folder that is there, or whose first parent that is there lets it be made. @throws RunError
void check_writable_folder(const std::filesystem::path& folder);

}  // namespace emotion
