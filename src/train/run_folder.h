#pragma once

#include "emotion/config/run_config.h"
#include "emotion/io/file_lock.h"

namespace emotion {

/// Makes the run folder, or checks that the one there can be gone on with. No other process trains into it while the lock lives.
/// @throws ConfigError (in use, a file, another config, another process), RunError
[[nodiscard]] FolderLock open_run_folder(const RunConfig& config, bool resume);

}  // namespace emotion
