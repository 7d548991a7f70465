#pragma once

#include <cstdint>
#include <vector>

namespace emotion {

/// The order in which the samples of a split are seen.
///
/// Depends on nothing but these numbers: several processes that share an epoch have the same order.
struct Sampler {
  std::uint64_t size = 0;  ///< samples of the split
  double fraction = 1.0;   ///< of the split that is used; the same samples in every epoch, drawn by seed
  bool shuffle = true;     ///< a new permutation each epoch
  /// 0 = a permutation of the whole epoch. Otherwise runs of so many neighbours are permuted, then drawn through a buffer of so
  /// many: close to random, and samples near in time are near on disk (packed shards are read nearly in sequence).
  std::uint64_t window = 0;
  std::uint64_t seed = 1;

  /// Samples of one epoch: round(fraction * size), at least 1.
  std::uint64_t epoch_size() const;
  /// Sample numbers in the order of `epoch`.
  std::vector<std::uint64_t> order(std::uint64_t epoch) const;
};

}  // namespace emotion
