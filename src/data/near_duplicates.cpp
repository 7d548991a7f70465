#include "emotion/data/near_duplicates.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <numeric>
#include <thread>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/signals.h"
#include "emotion/threads.h"

namespace emotion {
namespace {

/// A run of bits of the (permuted) hash, and how many of them may differ for a pair to be looked at.
struct Chunk {
  int begin = 0, bits = 0, radius = 0;  // radius -1: no pair needs this chunk
  std::uint64_t key(std::uint64_t hash) const { return hash >> begin & ((std::uint64_t{1} << bits) - 1); }
};

/// m chunks of nearly equal width. With r = m s + a, one of the first a + 1 chunks is within s or one of the others within s - 1:
/// were it not so, the distance would be (a + 1)(s + 1) + (m - a - 1) s = r + 1 at least.
std::vector<Chunk> make_chunks(int count, int radius) {
  std::vector<Chunk> chunks;
  for (int c = 0, begin = 0; c < count; ++c) {
    const int bits = 64 / count + (c < 64 % count ? 1 : 0);
    chunks.push_back({begin, bits, radius / count - (c > radius % count ? 1 : 0)});
    begin += bits;
  }
  return chunks;
}

/// Masks of `bits` bits with at most `radius` of them set.
std::vector<std::uint64_t> make_masks(int bits, int radius) {
  std::vector<std::uint64_t> masks;
  const std::function<void(std::uint64_t, int, int)> add = [&](std::uint64_t mask, int from, int left) {
    masks.push_back(mask);
    for (int bit = from; left > 0 && bit < bits; ++bit) add(mask | std::uint64_t{1} << bit, bit + 1, left - 1);
  };
  add(0, 0, radius);
  return masks;
}

double ball(int bits, int radius) {
  double sum = 0, choose = 1;
  for (int k = 0; k <= radius; ++k) {
    sum += choose;
    choose *= static_cast<double>(bits - k) / (k + 1);
  }
  return sum;
}

/// The number of chunks for which evenly spread hashes cost least: buckets visited and hashes met there.
std::vector<Chunk> best_chunks(std::size_t count, int radius) {
  std::vector<Chunk> best;
  double least = INFINITY;
  for (int m = 3; m <= 32; ++m) {
    const auto chunks = make_chunks(m, radius);
    double cost = 0;
    for (const Chunk& chunk : chunks) {
      if (chunk.radius < 0) continue;
      const double buckets = std::exp2(chunk.bits), n = static_cast<double>(count);
      cost += buckets + ball(chunk.bits, chunk.radius) * (std::min(n, buckets) * 8 + n * n / buckets / 2);
    }
    if (cost < least) {
      least = cost;
      best = chunks;
    }
  }
  return best;
}

/// Bits reordered so that each chunk gets its share of those that vary: neighbouring frequencies of pictures are alike.
std::vector<std::uint64_t> spread_bits(std::span<const std::uint64_t> hashes, std::size_t chunks) {
  std::array<std::uint64_t, 64> ones{};
  for (const std::uint64_t hash : hashes) {
    for (std::size_t bit = 0; bit < 64; ++bit) ones[bit] += hash >> bit & 1;
  }
  std::array<int, 64> order;
  std::iota(order.begin(), order.end(), 0);
  const auto bias = [&](int bit) {
    return std::abs(static_cast<double>(ones[static_cast<std::size_t>(bit)]) - 0.5 * static_cast<double>(hashes.size()));
  };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return bias(a) < bias(b); });
  std::array<int, 64> place;  // where bit order[i] goes: dealt out to the chunks in turn
  std::array<int, 64> dealt;
  std::size_t at = 0;
  for (std::size_t first = 0; first < chunks; ++first) {
    for (std::size_t i = first; i < 64; i += chunks) dealt[at++] = order[i];
  }
  for (int i = 0; i < 64; ++i) place[static_cast<std::size_t>(dealt[static_cast<std::size_t>(i)])] = i;
  std::vector<std::uint64_t> spread(hashes.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    for (std::size_t bit = 0; bit < 64; ++bit) spread[i] |= (hashes[i] >> bit & 1) << place[bit];
  }
  return spread;
}

/// Hashes sorted by one chunk.
struct Table {
  std::vector<std::uint32_t> begins;  // [buckets + 1]
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint32_t> ids;

  Table(std::span<const std::uint64_t> values, const Chunk& chunk)
      : begins((std::size_t{1} << chunk.bits) + 1), hashes(values.size()), ids(values.size()) {
    for (const std::uint64_t value : values) ++begins[chunk.key(value) + 1];
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    std::vector<std::uint32_t> next(begins.begin(), begins.end() - 1);
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      const std::uint32_t at = next[chunk.key(values[i])]++;
      hashes[at] = values[i];
      ids[at] = i;
    }
  }
};

class PairSearch {
 public:
  PairSearch(std::span<const std::uint64_t> hashes, int radius, const std::function<void(std::span<const NearPair>)>& take)
      : radius_(radius), chunks_(best_chunks(hashes.size(), radius)), hashes_(spread_bits(hashes, chunks_.size())), take_(take) {}

  void run(unsigned workers) {
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
      if (chunks_[c].radius < 0) continue;
      const Table table(hashes_, chunks_[c]);
      const auto masks = make_masks(chunks_[c].bits, chunks_[c].radius);
      std::atomic<std::uint64_t> next{0};
      const std::uint64_t buckets = table.begins.size() - 1, step = std::max<std::uint64_t>(1, buckets / 1024);
      const auto work = [&] {
        std::vector<NearPair> found;
        for (std::uint64_t begin = next.fetch_add(step); begin < buckets && !stop_requested(); begin = next.fetch_add(step)) {
          for (std::uint64_t key = begin; key < std::min(begin + step, buckets); ++key) visit(c, table, masks, key, found);
        }
        hand_over(found);
      };
      std::vector<std::thread> threads = start_threads(workers, work);
      for (auto& thread : threads) thread.join();
      if (stop_requested()) throw Interrupted("near-duplicates: interrupted");
    }
  }

 private:
  /// Pairs of one bucket with itself and with those of higher key within the chunk's radius: each pair of buckets once.
  void visit(std::size_t c, const Table& table, const std::vector<std::uint64_t>& masks, std::uint64_t key,
             std::vector<NearPair>& found) {
    const std::uint32_t begin = table.begins[key], end = table.begins[key + 1];
    if (begin == end) return;
    for (const std::uint64_t mask : masks) {
      const std::uint64_t other = key ^ mask;
      if (other < key) continue;
      for (std::uint32_t i = begin; i < end; ++i) {
        for (std::uint32_t j = mask == 0 ? i + 1 : table.begins[other]; j < table.begins[other + 1]; ++j) {
          if (std::popcount(table.hashes[i] ^ table.hashes[j]) > radius_ || met_before(c, table.hashes[i] ^ table.hashes[j]))
            continue;
          found.push_back(std::minmax(table.ids[i], table.ids[j]));
          if (found.size() >= kBatch) hand_over(found);
        }
      }
    }
  }

  /// An earlier chunk brought the two together already.
  bool met_before(std::size_t c, std::uint64_t difference) const {
    for (std::size_t earlier = 0; earlier < c; ++earlier) {
      if (std::popcount(chunks_[earlier].key(difference)) <= chunks_[earlier].radius) return true;
    }
    return false;
  }

  void hand_over(std::vector<NearPair>& found) {
    const std::lock_guard lock(mutex_);
    if (!found.empty()) take_(found);
    found.clear();
  }

  static constexpr std::size_t kBatch = 1 << 14;
  int radius_;
  std::vector<Chunk> chunks_;
  std::vector<std::uint64_t> hashes_;
  const std::function<void(std::span<const NearPair>)>& take_;
  std::mutex mutex_;
};

/// The distinct values among some, and who has each.
struct Holders {
  std::vector<std::uint64_t> values;
  std::vector<std::uint32_t> begins, order;  // holders of value k: order[begins[k]] ..

  explicit Holders(const std::vector<std::uint64_t>& all) : order(all.size()) {
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return std::pair(all[a], a) < std::pair(all[b], b); });
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      if (!values.empty() && all[order[i]] == values.back()) continue;
      values.push_back(all[order[i]]);
      begins.push_back(i);
    }
    begins.push_back(static_cast<std::uint32_t>(order.size()));
  }
  void unite(std::size_t k, DisjointSets& sets) const {
    for (std::uint32_t i = begins[k] + 1; i < begins[k + 1]; ++i) sets.unite(order[begins[k]], order[i]);
  }
};

}  // namespace

void near_pairs(std::span<const std::uint64_t> hashes, int radius, int workers,
                const std::function<void(std::span<const NearPair>)>& take) {
  if (radius < 0 || radius > 32) throw ConfigError(fmt::format("radius is {}, 0 to 32 bits are possible", radius));
  if (hashes.size() < 2) return;
  PairSearch(hashes, radius, take).run(worker_count(workers));
}

DisjointSets::DisjointSets(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0U); }

std::uint32_t DisjointSets::find(std::uint32_t i) {
  while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
  return i;
}

void DisjointSets::unite(std::uint32_t a, std::uint32_t b) {
  a = find(a);
  b = find(b);
  parent_[std::max(a, b)] = std::min(a, b);  // the root is the first member
}

std::vector<std::vector<std::uint32_t>> DisjointSets::sets(std::size_t smallest) {
  std::vector<std::vector<std::uint32_t>> all(parent_.size());
  for (std::uint32_t i = 0; i < parent_.size(); ++i) all[find(i)].push_back(i);
  std::erase_if(all, [&](const auto& set) { return set.size() < std::max<std::size_t>(smallest, 1); });
  return all;
}

std::vector<std::vector<std::uint32_t>> near_duplicate_groups(std::span<const PictureHash> hashes, int radius, bool mirrored,
                                                              int workers) {
  std::vector<std::uint64_t> plain, flipped;
  for (const PictureHash& hash : hashes) {
    plain.push_back(hash.plain);
    if (mirrored) flipped.push_back(hash.mirrored);
  }
  DisjointSets sets(hashes.size());
  // Equal hashes are one value: a thousand copies of a picture are not half a million pairs.
  const Holders as_is(plain), as_mirror(flipped);
  for (std::size_t k = 0; k < as_is.values.size(); ++k) as_is.unite(k, sets);
  std::vector<std::uint64_t> values = as_is.values;
  values.insert(values.end(), as_mirror.values.begin(), as_mirror.values.end());
  const std::size_t first_mirror = as_is.values.size();
  std::vector<bool> joined(as_mirror.values.size());
  near_pairs(values, radius, workers, [&](std::span<const NearPair> pairs) {
    for (const auto& [a, b] : pairs) {
      if (a >= first_mirror) continue;  // two mirror images: their pictures are compared themselves
      if (b < first_mirror) {
        sets.unite(as_is.order[as_is.begins[a]], as_is.order[as_is.begins[b]]);
        continue;
      }
      const std::size_t m = b - first_mirror;
      if (!joined[m]) as_mirror.unite(m, sets);
      joined[m] = true;
      sets.unite(as_is.order[as_is.begins[a]], as_mirror.order[as_mirror.begins[m]]);
    }
  });
  return sets.sets(2);
}

}  // namespace emotion
