// Compiled with -O3 -ffast-math: sums may be reordered to use vector registers. Nothing here compares with NaN.
#include "skip_gram.h"

#include <algorithm>
#include <cmath>

namespace emotion {

__attribute__((target_clones("arch=haswell", "default"))) void skip_gram_update(const float* __restrict input,
                                                                                float* __restrict output,
                                                                                float* __restrict gradient, std::size_t width,
                                                                                float label, float alpha) {
  float dot = 0;
  for (std::size_t d = 0; d < width; ++d) dot += input[d] * output[d];
  const float f = 1.0F / (1.0F + std::exp(-std::clamp(dot, -30.0F, 30.0F)));
  const float g = alpha * (label - f);
  for (std::size_t d = 0; d < width; ++d) {
    gradient[d] += g * output[d];
    output[d] += g * input[d];
  }
}

__attribute__((target_clones("arch=haswell", "default"))) void add_to(float* __restrict to, const float* __restrict from,
                                                                      std::size_t width) {
  for (std::size_t d = 0; d < width; ++d) to[d] += from[d];
}

}  // namespace emotion
