#pragma once

#include <cstdint>

#include "batch_stream.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// This process's part of a batch, and the samples of all parts: 0 if no process may use its part.
struct SharedBatch {
  Batch batch;
  std::int64_t all = 0;
};

/// The next batch of a stream. With `skips`, where broken images are left out, the processes agree on whether it can be used:
/// batch statistics need two samples, and processes that share them wait for each other.
SharedBatch next_shared(BatchStream& stream, bool skips, ProcessGroup& group);

/// Gradients are means over the processes: with this factor on each one's loss, a mean over `own` of `all` samples, they are
/// means over the samples of all of them.
double own_part(std::int64_t own, std::int64_t all, const ProcessGroup& group);

}  // namespace emotion
