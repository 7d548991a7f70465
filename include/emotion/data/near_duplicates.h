#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "emotion/data/perceptual_hash.h"

namespace emotion {

using NearPair = std::pair<std::uint32_t, std::uint32_t>;

/// Every pair of hashes at most `radius` bits apart, each once, the smaller number first; in no particular order.
///
/// Multi-index hashing (Norouzi, Punjani and Fleet, 2012): the 64 bits are parted into m chunks; of two hashes within the
/// radius at least one chunk is within radius / m, so that a look-up by chunk meets every pair. Work grows with the pairs that
/// share a chunk, not with all pairs. `take` is given batches, one thread at a time.
/// @throws ConfigError for a radius outside 0 .. 32; Interrupted
void near_pairs(std::span<const std::uint64_t> hashes, int radius, int workers,
                const std::function<void(std::span<const NearPair>)>& take);

/// Sets of things that belong together.
class DisjointSets {
 public:
  explicit DisjointSets(std::size_t size);
  std::uint32_t find(std::uint32_t i);
  void unite(std::uint32_t a, std::uint32_t b);
  /// Those of at least `smallest` members; members ascending, sets by their first member.
  std::vector<std::vector<std::uint32_t>> sets(std::size_t smallest);

 private:
  std::vector<std::uint32_t> parent_;
};

/// Groups of near-duplicates, of two or more: pictures joined by a chain of pairs within `radius`, so that no pair is ever
/// parted. With `mirrored` a picture is also near another that its mirror image is near.
std::vector<std::vector<std::uint32_t>> near_duplicate_groups(std::span<const PictureHash> hashes, int radius, bool mirrored,
                                                              int workers);

}  // namespace emotion
