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
#include "stream_position.h"

namespace emotion {

/// The batches of a split, epoch after epoch, from any place on: what comes is the same whatever was read before.
///
/// Several processes share each batch: of w * batch samples rank r takes the r-th, the r + w-th, ..
class BatchStream {
 public:
  struct Options {
    LoaderOptions loader;  ///< with the batch size
    bool images = true;
    int rank = 0, ranks = 1;
    std::int64_t least = 0;  ///< a last batch with fewer samples (over all ranks) is left out
  };
  /// `sampler` counts the samples of `chosen`, or all of the manifest where that is null. All three must outlive the stream.
  BatchStream(const Manifest& manifest, const std::vector<std::uint64_t>* chosen, const Sampler& sampler, Options options,
              const Device& device);

  std::int64_t batches_per_epoch() const { return batches_per_epoch_; }
  /// Samples that the sampler draws for an epoch, those of a last batch that is left out among them.
  std::int64_t drawn() const { return static_cast<std::int64_t>(sampler_.epoch_size()); }
  /// Samples of an epoch and of a whole batch, over all ranks.
  std::int64_t epoch_size() const { return usable_; }
  std::int64_t batch_size() const { return batch_; }
  /// Samples of the batch at a place, over all ranks, and those of them that are this rank's; broken images counted.
  std::int64_t planned_size(const StreamPosition& place) const;
  std::int64_t own_size(const StreamPosition& place) const;
  /// Samples of the next `count` batches over all ranks, into the epochs after this one if need be.
  std::int64_t planned_ahead(std::int64_t count) const;
  /// This rank's samples of the next `count` batches of the epoch, broken images counted.
  std::vector<std::uint64_t> samples_ahead(std::int64_t count);
  /// Where the next batch begins.
  const StreamPosition& position() const { return next_; }
  /// Goes on from a place, of another number of ranks perhaps: one in the rest that is left out here is the next epoch's
  /// beginning (true then).
  bool seek(const StreamPosition& place);
  /// With on_error: skip a batch may be smaller than planned, or empty; so may a rank's part of the last one.
  Batch next();

  /// `place: path: reason` of every image left out since the stream was made.
  std::vector<std::string> skipped() const;
  double wait_seconds() const;

 private:
  /// The loader's next batch. @throws DataError that says what to do about a broken picture
  ImageBatch next_images();
  void open_epoch();
  void close_epoch();

  const Manifest& manifest_;
  const std::vector<std::uint64_t>* chosen_;
  Sampler sampler_;
  Options options_;
  const Device& device_;
  std::int64_t usable_ = 0;  ///< samples of an epoch that are used
  std::int64_t batch_ = 0, batches_per_epoch_ = 0;
  StreamPosition next_;
  bool open_ = false;
  std::vector<std::uint64_t> order_;  ///< this rank's samples of the open epoch
  std::size_t taken_ = 0;             ///< of order_
  std::unique_ptr<ImageLoader> loader_;
  std::vector<std::string> skipped_;
  double waited_ = 0;
};

}  // namespace emotion
