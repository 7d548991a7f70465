#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <span>
#include <utility>

namespace emotion {

/// splitmix64 (Steele, Lea and Flood, 2014): a bijection of 64-bit words that mixes every input bit into every output bit.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// A stream of random numbers named by a few words, for instance {seed, epoch, sample}.
///
/// xoshiro256** (Blackman and Vigna, 2018) seeded by splitmix64 over the words. The same words give the same stream on
/// every machine, whatever other streams were drawn before: no draw depends on the number of threads.
class Random {
 public:
  using result_type = std::uint64_t;  ///< satisfies std::uniform_random_bit_generator

  explicit Random(std::initializer_list<std::uint64_t> words) {
    std::uint64_t h = 0x243f6a8885a308d3ULL;  // pi's first digits: an arbitrary start
    for (const std::uint64_t word : words) h = mix_bits(h ^ mix_bits(word));
    for (auto& s : state_) s = h = mix_bits(h);
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }

  result_type operator()() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in 0 .. n - 1 without bias (Lemire, 2019); n >= 1.
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>((*this)()) * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t threshold = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>((*this)()) * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// Standard normal (Box and Muller; one of the pair is dropped so that every call draws the same number of words).
  double normal() {
    const double u = 1.0 - uniform();  // in (0, 1]: log is finite
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
  }

  /// Fisher-Yates.
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace emotion
