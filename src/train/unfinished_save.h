#pragma once

#include <filesystem>
#include <string_view>

namespace emotion {

/// Begins the name of a checkpoint that is being saved.
inline constexpr std::string_view kUnfinished = ".new-";

/// True for what a kill has left of a save in a run's checkpoints/.
inline bool is_unfinished_save(const std::filesystem::directory_entry& entry) {
  return entry.path().filename().string().starts_with(kUnfinished);
}

}  // namespace emotion
