#pragma once

#include <filesystem>

namespace emotion {

/// Whether a run folder's training is still running or was stopped: its last checkpoint has not reached the end that its
/// config.yaml names, or there is none yet. Of weights alone nobody says how long they were trained: they are taken as finished.
/// @throws Error if config.yaml or the checkpoint cannot be read
bool is_unfinished_run(const std::filesystem::path& run);

}  // namespace emotion
