#include "step_batches.h"

#include <optional>
#include <utility>

namespace emotion {

StepBatches::StepBatches(const Task& task, BatchStream& stream, BatchStream* extra, std::int64_t count, bool skips,
                         ProcessGroup& group)
    : stream_(stream), extra_(extra), group_(group), skips_(skips), left_(count) {
  if (!skips_) {
    samples_ = stream.planned_ahead(count);
    if (extra) extra_samples_ = extra->planned_ahead(count);
  }
  // The same samples in the same order, whether they are read by now or not: the sum has the same bits.
  const std::optional<double> own = task.weight(skips_ ? read_ahead() : stream.samples_ahead(count), Split::kTrain);
  if (!own) return;
  for (const double one : group.gather(*own)) weight_ += one;
}

std::vector<std::uint64_t> StepBatches::read_ahead() {
  std::vector<std::uint64_t> samples;
  for (; left_ > 0; --left_) {
    StepBatch batch = read();
    if (batch.first.all == 0) continue;
    samples_ += batch.first.all;
    extra_samples_ += batch.extra.all;
    samples.insert(samples.end(), batch.first.batch.samples.begin(), batch.first.batch.samples.end());
    ahead_.push_back(std::move(batch));
  }
  left_ = static_cast<std::int64_t>(ahead_.size());
  return samples;
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
