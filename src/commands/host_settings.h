#pragma once

#include <string>

#include "emotion/commands/eval.h"

namespace emotion {

/// Where a command computes and on how many threads it decodes: by the flag, else by --set device and data.workers. What the
/// checkpoint's own config says is of the host that it was trained on, and not asked.
/// @throws ConfigError for a setting that cannot be read
std::string chosen_device(const CheckpointOptions& options);
int chosen_workers(const CheckpointOptions& options);

}  // namespace emotion
