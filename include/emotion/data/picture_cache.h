#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "emotion/data/image.h"

namespace emotion {

/// Decoded pictures of a data set, whole and upright, kept in memory until a budget is used up: from the second epoch on these
/// are neither read nor decoded. For sets that fit: 3 bytes a pixel, half a gigabyte for 1,000 pictures of 500 x 375.
///
/// Which pictures are kept depends on the order in which threads come; what a picture becomes does not. Safe from any thread.
class PictureCache {
 public:
  /// samples: of the data set; bytes: of all pixels together.
  PictureCache(std::size_t samples, std::uint64_t bytes) : pictures_(samples), left_(bytes) {}

  /// Null if it is not kept.
  std::shared_ptr<const Image> find(std::uint64_t sample) const {
    const std::lock_guard lock(mutex_);
    return pictures_[sample];
  }
  /// Keeps a picture if there is room.
  void keep(std::uint64_t sample, const std::shared_ptr<const Image>& picture) {
    const std::lock_guard lock(mutex_);
    if (pictures_[sample] || picture->pixels.size() > left_) return;
    left_ -= picture->pixels.size();
    pictures_[sample] = picture;
  }
  std::uint64_t bytes_left() const {
    const std::lock_guard lock(mutex_);
    return left_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Image>> pictures_;
  std::uint64_t left_;
};

struct DataConfig;

/// What data.picture_cache_mb asks for; null where it is 0.
std::shared_ptr<PictureCache> make_picture_cache(const DataConfig& config, std::size_t samples);

}  // namespace emotion
