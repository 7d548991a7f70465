#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/model/stimuli_net.h"
#include "emotion/train/device.h"

namespace emotion {

/// Bytes that readers may keep in memory, all of them together. Safe from several threads.
class CacheBudget {
 public:
  explicit CacheBudget(std::int64_t bytes) : left_(bytes) {}
  /// False, and nothing taken, if fewer are left.
  bool take(std::int64_t bytes) {
    if (left_.fetch_sub(bytes) >= bytes) return true;
    left_.fetch_add(bytes);
    return false;
  }
  std::int64_t left() const { return left_; }

 private:
  std::atomic<std::int64_t> left_;
};

/// Reads what the manifest says of a sample's stimuli: its region file and its face. What was read stays in memory up to a
/// budget, which several readers may share.
class StimuliReader {
 public:
  struct Options {
    bool regions = true, faces = true;
    std::int64_t max_regions = 10;  ///< N: the first of a region file
    std::int64_t width = 0;         ///< F; 0 = that of the split's first region file
    std::shared_ptr<CacheBudget> cache = std::make_shared<CacheBudget>(std::int64_t{1} << 30);
  };
  /// The manifest must outlive the reader.
  /// @throws DataError for a broken first region file
  StimuliReader(const Manifest& manifest, const Options& options);
  ~StimuliReader();
  StimuliReader(StimuliReader&&) noexcept;

  std::int64_t width() const;
  std::uint64_t with_regions() const, with_face() const;  ///< samples that have them
  bool has_face(std::uint64_t sample) const;
  /// How many regions the files were cut to, where that is fewer than max_regions; 0 = enough, or not known. Files that do not
  /// say count by what they hold, up to a thousand of them. @throws DataError, WeightsError for a broken file
  std::int64_t cut_to() const;
  /// Regions and faces of a batch on the device; images are left undefined. `next`: samples that are likely to be asked for next,
  /// read meanwhile by a thread; what is wrong with them is told when they are asked for. One thread calls it at a time.
  /// @throws DataError naming the sample's place and the file: broken, or its regions were found by other weights or settings
  /// than those of a file that was read before
  StimuliInput read(const std::vector<std::uint64_t>& samples, const Device& device, std::vector<std::uint64_t> next = {}) const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
