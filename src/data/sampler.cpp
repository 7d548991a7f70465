#include "emotion/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "emotion/random.h"

namespace emotion {
namespace {

constexpr std::uint64_t kFractionStream = 0x667261, kOrderStream = 0x6f7264;

/// Runs of `window` neighbours in random order, then a buffer: each place is drawn from the `window` that come next.
std::vector<std::uint64_t> shuffle_within(const std::vector<std::uint64_t>& all, std::uint64_t window, Random& random) {
  std::vector<std::uint64_t> runs((all.size() + window - 1) / window);
  std::iota(runs.begin(), runs.end(), std::uint64_t{0});
  random.shuffle(std::span(runs));
  std::vector<std::uint64_t> buffer, order;
  order.reserve(all.size());
  for (const std::uint64_t run : runs) {
    for (std::uint64_t i = run * window; i < std::min<std::uint64_t>((run + 1) * window, all.size()); ++i) {
      if (buffer.size() < window) {
        buffer.push_back(all[i]);
        continue;
      }
      std::uint64_t& drawn = buffer[random.below(window)];
      order.push_back(std::exchange(drawn, all[i]));
    }
  }
  random.shuffle(std::span(buffer));
  order.insert(order.end(), buffer.begin(), buffer.end());
  return order;
}

}  // namespace

std::uint64_t Sampler::epoch_size() const {
  return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::llround(fraction * static_cast<double>(size))), 1,
                                   std::max<std::uint64_t>(size, 1));
}

std::vector<std::uint64_t> Sampler::order(std::uint64_t epoch) const {
  std::vector<std::uint64_t> all(size);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  if (epoch_size() < size) {
    Random random{seed, kFractionStream};
    random.shuffle(std::span(all));
    all.resize(epoch_size());
    std::sort(all.begin(), all.end());
  }
  if (shuffle) {
    Random random{seed, epoch, kOrderStream};
    if (window == 0 || window >= all.size())
      random.shuffle(std::span(all));
    else
      all = shuffle_within(all, window, random);
  }
  return all;
}

}  // namespace emotion
