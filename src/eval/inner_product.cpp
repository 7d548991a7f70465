#include "inner_product.h"

#include <cstring>

#include "emotion/processor.h"

namespace emotion {
namespace {

using Lanes4 = float __attribute__((vector_size(16)));
using Lanes8 = float __attribute__((vector_size(32)));
using Lanes16 = float __attribute__((vector_size(64)));

/// Adds what fits whole groups of `Sums` vectors from `begin` on, and returns where it stopped. Several sums, since each has to
/// wait for its last addition.
template <class Lanes, std::size_t Sums>
[[gnu::always_inline]] inline std::size_t add_products(const float* a, const float* b, std::size_t begin, std::size_t n,
                                                       float& sum) {
  constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(float);
  if (begin + Sums * kLanes > n) return begin;
  Lanes sums[Sums] = {};
  for (; begin + Sums * kLanes <= n; begin += Sums * kLanes) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < Sums; ++i) {
      Lanes x, y;
      std::memcpy(&x, a + begin + i * kLanes, sizeof(x));
      std::memcpy(&y, b + begin + i * kLanes, sizeof(y));
      sums[i] += x * y;
    }
  }
  for (std::size_t i = 1; i < Sums; ++i) sums[0] += sums[i];
  float lanes[kLanes];
  std::memcpy(lanes, &sums[0], sizeof(lanes));
  for (const float lane : lanes) sum += lane;
  return begin;
}

template <class Lanes>
[[gnu::always_inline]] inline float product(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  std::size_t done = add_products<Lanes, 4>(a, b, 0, n, sum);
  done = add_products<Lanes, 1>(a, b, done, n, sum);
  done = add_products<Lanes4, 1>(a, b, done, n, sum);
  for (; done < n; ++done) sum += a[done] * b[done];
  return sum;
}

__attribute__((target("avx512f"))) float product_avx512(const float* a, const float* b, std::size_t n) {
  return product<Lanes16>(a, b, n);
}
__attribute__((target("avx2,fma"))) float product_avx2(const float* a, const float* b, std::size_t n) {
  return product<Lanes8>(a, b, n);
}
float product_sse(const float* a, const float* b, std::size_t n) { return product<Lanes4>(a, b, n); }

}  // namespace

float inner_product(const float* a, const float* b, std::size_t n) {
  static const auto chosen = best_for_processor(product_avx512, product_avx2, product_sse);
  return chosen(a, b, n);
}

}  // namespace emotion
