#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "batch_stream.h"
#include "emotion/train/distributed.h"
#include "emotion/train/task.h"
#include "shared_batch.h"

namespace emotion {

/// One batch of a step, with one of the second data set where there is one.
struct StepBatch {
  SharedBatch first, extra;
};

/// The batches whose gradients make one step, and their samples over all processes, of which the step's losses are means.
///
/// Where broken images are left out the samples are known only once all batches are read: then they are read at the beginning,
/// and are on the device together. Otherwise each is read when it is asked for.
class StepBatches {
 public:
  /// The next `count` batches of `stream`, none of them of the next epoch, and as many of `extra` if that is not null. With
  /// `skips` those that no process can use are left out. `task` says what the samples weigh; the others must outlive the batches.
  StepBatches(const Task& task, BatchStream& stream, BatchStream* extra, std::int64_t count, bool skips, ProcessGroup& group);

  std::int64_t left() const { return left_; }  ///< batches that next() has still to give
  StepBatch next();
  std::int64_t samples() const { return samples_; }
  std::int64_t extra_samples() const { return extra_samples_; }
  double weight() const { return weight_; }  ///< of samples(), where the task gives them weights

 private:
  StepBatch read();
  /// Reads all batches. Gives this process's samples.
  std::vector<std::uint64_t> read_ahead();

  BatchStream& stream_;
  BatchStream* extra_;
  ProcessGroup& group_;
  const bool skips_;
  std::int64_t left_, samples_ = 0, extra_samples_ = 0;
  double weight_ = 0;
  std::deque<StepBatch> ahead_;
};

}  // namespace emotion
