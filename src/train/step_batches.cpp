#include "step_batches.h"

#include <utility>

namespace emotion {

StepBatches::StepBatches(BatchStream& stream, BatchStream* extra, std::int64_t count, bool skips, ProcessGroup& group)
    : stream_(stream), extra_(extra), group_(group), skips_(skips), left_(count) {
  if (!skips_) {
    samples_ = stream.planned_ahead(count);
    if (extra) extra_samples_ = extra->planned_ahead(count);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    StepBatch batch = read();
    if (batch.first.all == 0) continue;
    samples_ += batch.first.all;
    extra_samples_ += batch.extra.all;
    ahead_.push_back(std::move(batch));
  }
  left_ = static_cast<std::int64_t>(ahead_.size());
}

StepBatch StepBatches::read() {
  StepBatch batch;
  batch.first = next_shared(stream_, skips_, group_);
  if (extra_) batch.extra = next_shared(*extra_, skips_, group_);
  return batch;
}

StepBatch StepBatches::next() {
  --left_;
  if (!skips_) return read();
  StepBatch batch = std::move(ahead_.front());
  ahead_.pop_front();
  return batch;
}

}  // namespace emotion
