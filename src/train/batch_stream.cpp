#include "batch_stream.h"

#include <algorithm>

#include <ATen/record_function.h>

#include "emotion/error.h"

namespace emotion {

BatchStream::BatchStream(const Manifest& manifest, const std::vector<std::uint64_t>* chosen, const Sampler& sampler,
                         Options options, const Device& device)
    : manifest_(manifest), chosen_(chosen), sampler_(sampler), options_(std::move(options)), device_(device) {
  batch_ = static_cast<std::int64_t>(options_.loader.batch) * options_.ranks;
  usable_ = static_cast<std::int64_t>(sampler_.epoch_size());
  if (const std::int64_t last = usable_ % batch_; last < options_.least && last < usable_) usable_ -= last;
  batches_per_epoch_ = (usable_ + batch_ - 1) / batch_;
}

std::int64_t BatchStream::planned_size(const StreamPosition& place) const { return std::min(batch_, usable_ - place.offset); }

std::int64_t BatchStream::own_size(const StreamPosition& place) const {
  return (planned_size(place) - options_.rank + options_.ranks - 1) / options_.ranks;
}

std::int64_t BatchStream::planned_ahead(std::int64_t count) const {
  std::int64_t sum = 0;
  for (StreamPosition place = next_; count > 0; --count) {
    const std::int64_t planned = planned_size(place);
    sum += planned;
    place.offset += planned;
    if (place.offset >= usable_) place = {place.epoch + 1, 0};
  }
  return sum;
}

std::vector<std::uint64_t> BatchStream::samples_ahead(std::int64_t count) {
  if (!open_) open_epoch();
  std::int64_t own = 0;
  for (StreamPosition place = next_; count > 0 && place.offset < usable_; --count) {
    own += own_size(place);
    place.offset += planned_size(place);
  }
  const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(taken_);
  return {begin, begin + own};
}

bool BatchStream::seek(const StreamPosition& place) {
  close_epoch();
  const bool ended = place.offset >= usable_;
  next_ = ended ? StreamPosition{place.epoch + 1, 0} : place;
  return ended;
}

void BatchStream::close_epoch() {
  if (loader_) {
    const auto skipped = loader_->skipped();
    skipped_.insert(skipped_.end(), skipped.begin(), skipped.end());
    waited_ += loader_->wait_seconds();
  }
  loader_.reset();
  open_ = false;
}

void BatchStream::open_epoch() {
  close_epoch();
  const auto epoch = static_cast<std::uint64_t>(next_.epoch);
  const std::vector<std::uint64_t> order = sampler_.order(epoch);
  order_.clear();
  taken_ = 0;
  for (std::int64_t i = next_.offset + options_.rank; i < usable_; i += options_.ranks) {
    const std::uint64_t sample = order[static_cast<std::size_t>(i)];
    order_.push_back(chosen_ ? (*chosen_)[sample] : sample);
  }
  if (options_.images) loader_ = std::make_unique<ImageLoader>(manifest_, options_.loader, order_, epoch);
  open_ = true;
}

ImageBatch BatchStream::next_images() {
  RECORD_USER_SCOPE("loader wait");
  try {
    return loader_->next().value();
  } catch (const DataError& error) {
    const auto broken = loader_->skipped();  // the picture that stops it is listed as well
    if (std::find(broken.begin(), broken.end(), error.what()) == broken.end()) throw;
    throw DataError(std::string(error.what()) +
                    "; data.on_error=skip leaves such pictures out, emotion_data verify lists broken ones");
  }
}

Batch BatchStream::next() {
  if (!open_) open_epoch();
  const std::int64_t planned = planned_size(next_), own = own_size(next_);
  Batch batch;
  batch.epoch = static_cast<std::uint64_t>(next_.epoch);
  if (options_.images && own > 0) {
    ImageBatch images = next_images();
    batch.samples = images.samples;
    RECORD_USER_SCOPE("to device");
    if (!batch.samples.empty()) batch.images = device_.images(images);
  } else {
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(taken_);
    batch.samples.assign(begin, begin + own);
  }
  taken_ += static_cast<std::size_t>(own);
  next_.offset += planned;
  if (next_.offset < usable_) {
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(taken_);
    batch.upcoming.assign(begin, begin + own_size(next_));
  }
  if (next_.offset >= usable_) {
    close_epoch();
    next_ = {next_.epoch + 1, 0};
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
