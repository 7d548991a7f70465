// Compiled with -O3 -ffast-math: sums may be reordered to use vector registers. Nothing here compares with NaN.
#include "skip_gram.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "emotion/processor.h"

namespace emotion {
namespace {

using Lanes4 = float __attribute__((vector_size(16)));
using Lanes8 = float __attribute__((vector_size(32)));
using Lanes16 = float __attribute__((vector_size(64)));

// Two contexts by six targets are twelve sums, which with their operands fit the sixteen registers of AVX2.
template <class Lanes>
[[gnu::always_inline]] inline void update(const SkipGramTile& tile, std::size_t width, float alpha) {
  constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(float);
  constexpr std::size_t kT = kTileOutputs;
  float g[kTileInputs * kT];
  for (std::size_t c = 0; c < kTileInputs; c += 2) {
    Lanes sums[2 * kT] = {};
    for (std::size_t d = 0; d < width && c < tile.input_count; d += kLanes) {
      Lanes a, b;
      std::memcpy(&a, tile.inputs[c] + d, sizeof(a));
      std::memcpy(&b, tile.inputs[c + 1] + d, sizeof(b));
#pragma GCC unroll 6
      for (std::size_t t = 0; t < kT; ++t) {
        Lanes output;
        std::memcpy(&output, tile.outputs[t] + d, sizeof(output));
        sums[t] += a * output;
        sums[kT + t] += b * output;
      }
    }
    for (std::size_t i = 0; i < 2 * kT; ++i) {
      float lanes[kLanes], sum = 0;
      std::memcpy(lanes, &sums[i], sizeof(lanes));
      for (const float lane : lanes) sum += lane;
      g[c * kT + i] = sum;
    }
  }
  for (float& value : g) value = -alpha / (1.0F + std::exp(-std::clamp(value, -30.0F, 30.0F)));
  for (std::size_t c = 0; c < kTileInputs; ++c) {
    if (tile.first_is_positive) g[c * kT] += alpha;
    for (std::size_t t = 0; t < kT; ++t) {
      if (c >= tile.input_count || t >= tile.output_count) g[c * kT + t] = 0;
    }
  }
  for (std::size_t d = 0; d < width; d += kLanes) {
    Lanes outputs[kT], updated[kT];
#pragma GCC unroll 6
    for (std::size_t t = 0; t < kT; ++t) {
      std::memcpy(&outputs[t], tile.outputs[t] + d, sizeof(Lanes));
      updated[t] = outputs[t];
    }
    for (std::size_t c = 0; c < tile.input_count; ++c) {
      Lanes input;
      std::memcpy(&input, tile.inputs[c] + d, sizeof(input));
      Lanes sum = input;
#pragma GCC unroll 6
      for (std::size_t t = 0; t < kT; ++t) {
        sum += g[c * kT + t] * outputs[t];
        updated[t] += g[c * kT + t] * input;
      }
      std::memcpy(tile.inputs[c] + d, &sum, sizeof(sum));
    }
#pragma GCC unroll 6
    for (std::size_t t = 0; t < kT; ++t) {
      if (t < tile.output_count) std::memcpy(tile.outputs[t] + d, &updated[t], sizeof(Lanes));
    }
  }
}

__attribute__((target("avx512f"))) void update_avx512(const SkipGramTile& tile, std::size_t width, float alpha) {
  update<Lanes16>(tile, width, alpha);
}
__attribute__((target("avx2,fma"))) void update_avx2(const SkipGramTile& tile, std::size_t width, float alpha) {
  update<Lanes8>(tile, width, alpha);
}
void update_sse(const SkipGramTile& tile, std::size_t width, float alpha) { update<Lanes4>(tile, width, alpha); }

}  // namespace

std::size_t targets_of_a_tile(std::span<float* const> targets) {
  const auto first = targets.first(std::min(kTileOutputs, targets.size()));
  for (std::size_t t = 1; t < first.size(); ++t) {
    const auto before = first.first(t);
    if (std::find(before.begin(), before.end(), first[t]) != before.end()) return t;
  }
  return first.size();
}

void skip_gram_update(const SkipGramTile& tile, std::size_t width, float alpha) {
  static const auto chosen = best_for_processor(update_avx512, update_avx2, update_sse);
  chosen(tile, width, alpha);
}

}  // namespace emotion
