#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emotion/data/loader.h"
#include "emotion/data/sampler.h"
#include "emotion/train/device.h"
#include "emotion/train/task.h"

namespace emotion {

/// The batches of a split, epoch after epoch, from any place on: batch b is the same whatever was read before.
class BatchStream {
 public:
  struct Options {
    LoaderOptions loader;  ///< with the batch size
    bool images = true;
  };
  /// `sampler` counts the samples of `chosen`, or all of the manifest where that is null. All three must outlive the stream.
  BatchStream(const Manifest& manifest, const std::vector<std::uint64_t>* chosen, const Sampler& sampler, Options options,
              const Device& device);

  std::int64_t batches_per_epoch() const { return batches_per_epoch_; }
  /// Samples of batch b of an epoch, broken images counted.
  std::int64_t planned_size(std::int64_t batch_in_epoch) const;
  /// The next batch() is number `batch`, counted over all epochs.
  void seek(std::int64_t batch);
  /// With on_error: skip a batch may be smaller than planned, or empty.
  Batch next();

  /// `place: path: reason` of every image left out since the stream was made.
  std::vector<std::string> skipped() const;
  double wait_seconds() const;

 private:
  void open_epoch(std::int64_t epoch, std::int64_t batch_in_epoch);
  void close_epoch();

  const Manifest& manifest_;
  const std::vector<std::uint64_t>* chosen_;
  Sampler sampler_;
  Options options_;
  const Device& device_;
  std::int64_t usable_ = 0;  ///< samples of an epoch that are used
  std::int64_t batches_per_epoch_ = 0, next_ = 0;
  std::int64_t open_epoch_ = -1;
  std::vector<std::uint64_t> order_;
  std::unique_ptr<ImageLoader> loader_;
  std::vector<std::string> skipped_;
  double waited_ = 0;
};

}  // namespace emotion
