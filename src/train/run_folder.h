#pragma once

#include "emotion/config/run_config.h"

namespace emotion {

/// Makes the run folder, or checks that the one there can be gone on with.
/// @throws ConfigError (in use, a file, another config), RunError
void open_run_folder(const RunConfig& config, bool resume);

}  // namespace emotion
