#pragma once

#include <cstdint>

#include "emotion/config/run_config.h"
#include "emotion/train/distributed.h"
#include "emotion/train/task.h"

namespace emotion {

/// What a run says of itself before its first step: versions, data, network, steps and device; a warning if it is validated with
/// what it is trained on. `samples` are those of an epoch, of all that the training split has.
void log_run_header(const RunConfig& config, Task& task, std::int64_t samples, std::int64_t steps, const Device& device,
                    const ProcessGroup& group);

/// Warns where the training, of `steps` steps, is too short for its warm-up or for the average of its weights.
void warn_of_short_run(const RunConfig& config, std::int64_t steps_per_epoch, std::int64_t steps);

}  // namespace emotion
