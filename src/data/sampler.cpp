#include "emotion/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "emotion/random.h"

namespace emotion {
namespace {

constexpr std::uint64_t kFractionStream = 0x667261, kOrderStream = 0x6f7264;

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
    random.shuffle(std::span(all));
  }
  if (world_size <= 1) return all;
  const auto ranks = static_cast<std::uint64_t>(world_size);
  std::vector<std::uint64_t> mine;
  for (std::uint64_t i = static_cast<std::uint64_t>(rank); i < (all.size() + ranks - 1) / ranks * ranks; i += ranks)
    mine.push_back(all[i % all.size()]);
  return mine;
}

}  // namespace emotion
