#include "batch_stream.h"

#include <algorithm>

#include "emotion/error.h"

namespace emotion {

BatchStream::BatchStream(const Manifest& manifest, const std::vector<std::uint64_t>* chosen, const Sampler& sampler,
                         Options options, const Device& device)
    : manifest_(manifest), chosen_(chosen), sampler_(sampler), options_(std::move(options)), device_(device) {
  const auto batch = static_cast<std::int64_t>(options_.loader.batch);
  usable_ = static_cast<std::int64_t>(sampler_.epoch_size());
  // Batch statistics of a single sample do not exist: such a last batch is left out.
  if (batch > 1 && usable_ > 1 && usable_ % batch == 1) --usable_;
  batches_per_epoch_ = (usable_ + batch - 1) / batch;
}

std::int64_t BatchStream::planned_size(std::int64_t batch_in_epoch) const {
  const auto batch = static_cast<std::int64_t>(options_.loader.batch);
  return std::min(batch, usable_ - batch_in_epoch * batch);
}

void BatchStream::seek(std::int64_t batch) {
  close_epoch();
  next_ = batch;
}

void BatchStream::close_epoch() {
  if (loader_) {
    const auto skipped = loader_->skipped();
    skipped_.insert(skipped_.end(), skipped.begin(), skipped.end());
    waited_ += loader_->wait_seconds();
  }
  loader_.reset();
  open_epoch_ = -1;
}

void BatchStream::open_epoch(std::int64_t epoch, std::int64_t batch_in_epoch) {
  close_epoch();
  order_ = sampler_.order(static_cast<std::uint64_t>(epoch));
  order_.resize(static_cast<std::size_t>(usable_));
  if (chosen_) {
    for (auto& sample : order_) sample = (*chosen_)[sample];
  }
  if (options_.images) {
    loader_ = std::make_unique<ImageLoader>(manifest_, options_.loader, order_, static_cast<std::uint64_t>(epoch),
                                            static_cast<std::size_t>(batch_in_epoch) * options_.loader.batch);
  }
  open_epoch_ = epoch;
}

Batch BatchStream::next() {
  const std::int64_t epoch = next_ / batches_per_epoch_, in_epoch = next_ % batches_per_epoch_;
  if (epoch != open_epoch_) open_epoch(epoch, in_epoch);
  ++next_;
  Batch batch;
  batch.epoch = static_cast<std::uint64_t>(epoch);
  if (options_.images) {
    const ImageBatch images = loader_->next().value();
    batch.samples = images.samples;
    if (!batch.samples.empty()) batch.images = device_.images(images);
  } else {
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(in_epoch) * options_.loader.batch);
    batch.samples.assign(begin, begin + planned_size(in_epoch));
  }
  return batch;
}

std::vector<std::string> BatchStream::skipped() const {
  auto all = skipped_;
  if (loader_) {
    const auto open = loader_->skipped();
    all.insert(all.end(), open.begin(), open.end());
  }
  return all;
}

double BatchStream::wait_seconds() const { return waited_ + (loader_ ? loader_->wait_seconds() : 0); }

}  // namespace emotion
