#include "emotion/data/perceptual_hash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "emotion/error.h"

namespace emotion {
namespace {

constexpr int kSide = 32, kLow = 8;  // pixels a side of the reduced picture, frequencies a side of the hash
constexpr int kPrecision = 22;       // bits of a filter weight, as Pillow has them

/// 8-bit luminance, row by row.
struct Grey {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width); }
  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width); }
};

Grey blank(int width, int height) {
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
}

/// Pillow's convert("L"): weights .299, .587, .114 in 16 bits, rounded.
Grey luminance(const Image& image) {
  Grey grey = blank(image.width, image.height);
  const std::uint8_t* rgb = image.pixels.data();
  for (auto& value : grey.pixels) {
    value = static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
    rgb += 3;
  }
  return grey;
}

double sinc(double x) { return x == 0 ? 1.0 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi); }
double lanczos3(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0.0; }

/// Input places that make one output place, and their weights in fixed point.
struct Taps {
  int first = 0;
  std::vector<std::int32_t> weights;
};

/// Pillow's weights for `input` pixels reduced (or enlarged) to kSide: the filter is widened by the scale, cut at the borders,
/// normalised in double, rounded half away from zero.
std::array<Taps, kSide> lanczos_taps(int input) {
  const double scale = static_cast<double>(input) / kSide, widened = std::max(scale, 1.0), support = 3 * widened;
  std::array<Taps, kSide> taps;
  std::vector<double> line;
  for (int i = 0; i < kSide; ++i) {
    const double center = (i + 0.5) * scale;
    const int low = std::max(static_cast<int>(center - support + 0.5), 0);
    const int high = std::min(static_cast<int>(center + support + 0.5), input);
    line.clear();
    double sum = 0;
    for (int x = low; x < high; ++x) sum += line.emplace_back(lanczos3((x - center + 0.5) * (1.0 / widened)));
    Taps& tap = taps[static_cast<std::size_t>(i)];
    tap.first = low;
    for (const double weight : line) {
      const double fixed = (sum != 0 ? weight / sum : weight) * (1 << kPrecision);
      tap.weights.push_back(static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return taps;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecision, 0, 255)); }

Grey reduce_rows(const Grey& grey) {
  const auto taps = lanczos_taps(grey.width);
  Grey narrow = blank(kSide, grey.height);
  for (int y = 0; y < grey.height; ++y) {
    for (std::size_t x = 0; x < kSide; ++x) {
      const std::uint8_t* from = grey.row(y) + taps[x].first;
      std::int32_t sum = 1 << (kPrecision - 1);
      for (std::size_t k = 0; k < taps[x].weights.size(); ++k) sum += from[k] * taps[x].weights[k];
      narrow.row(y)[x] = to_byte(sum);
    }
  }
  return narrow;
}

Grey reduce_columns(const Grey& grey) {
  const auto taps = lanczos_taps(grey.height);
  Grey low = blank(grey.width, kSide);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(grey.width));
  for (int y = 0; y < kSide; ++y) {
    const Taps& tap = taps[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kPrecision - 1));
    for (std::size_t k = 0; k < tap.weights.size(); ++k) {
      const std::uint8_t* from = grey.row(tap.first + static_cast<int>(k));
      for (std::size_t x = 0; x < sums.size(); ++x) sums[x] += from[x] * tap.weights[k];
    }
    for (std::size_t x = 0; x < sums.size(); ++x) low.row(y)[x] = to_byte(sums[x]);
  }
  return low;
}

/// Pillow's resize((32, 32), LANCZOS), rounded to 8 bits between the passes. Columns come first where the height shrinks by more
/// than twice what the width does: Pillow does so since 13, earlier versions take rows first always (a bit or two may differ).
Grey reduce(const Grey& grey) {
  const bool columns_first = grey.height > kSide && grey.height - kSide > 2 * (grey.width - kSide);
  return columns_first ? reduce_rows(reduce_columns(grey)) : reduce_columns(reduce_rows(grey));
}

/// cos(pi m / 64) for m = 0 .. 127.
const std::array<double, 4 * kSide> kCosines = [] {
  std::array<double, 4 * kSide> table;
  for (std::size_t m = 0; m < table.size(); ++m) table[m] = std::cos(std::numbers::pi * static_cast<double>(m) / (2 * kSide));
  return table;
}();

/// DCT-II of `n` values, unnormalised: out_k = 2 sum_i x_i cos(pi k (2 i + 1) / 2 n). Sums and differences of mirrored places
/// are taken before anything is multiplied, so that a symmetric signal has odd frequencies of exactly 0, as a fast transform
/// has them: the median of a flat picture's coefficients is decided by exact zeros.
void cosine_transform(const double* in, int n, double* out, int step) {
  if (n == 1) {
    out[0] = 2 * in[0];
    return;
  }
  const int half = n / 2;
  std::array<double, kSide / 2> sums{}, differences{};
  for (int i = 0; i < half; ++i) {
    sums[static_cast<std::size_t>(i)] = in[i] + in[n - 1 - i];
    differences[static_cast<std::size_t>(i)] = in[i] - in[n - 1 - i];
  }
  cosine_transform(sums.data(), half, out, 2 * step);
  for (int k = 0; k < half; ++k) {
    double sum = 0;
    for (int i = 0; i < half; ++i)
      sum += differences[static_cast<std::size_t>(i)] *
             kCosines[static_cast<std::size_t>((2 * i + 1) * (2 * k + 1) * (kSide / n)) % kCosines.size()];
    out[(2 * k + 1) * step] = 2 * sum;
  }
}

std::uint64_t hash_of(const Grey& small) {
  std::array<std::array<double, kSide>, kSide> columns;  // [x][frequency]
  for (std::size_t x = 0; x < kSide; ++x) {
    std::array<double, kSide> line;
    for (int y = 0; y < kSide; ++y) line[static_cast<std::size_t>(y)] = small.row(y)[x];
    cosine_transform(line.data(), kSide, columns[x].data(), 1);
  }
  std::array<double, kLow * kLow> low;
  for (std::size_t v = 0; v < kLow; ++v) {
    std::array<double, kSide> line, out;
    for (std::size_t x = 0; x < kSide; ++x) line[x] = columns[x][v];
    cosine_transform(line.data(), kSide, out.data(), 1);
    std::copy_n(out.begin(), kLow, low.begin() + static_cast<std::ptrdiff_t>(v * kLow));
  }
  auto sorted = low;
  std::sort(sorted.begin(), sorted.end());
  const double median = (sorted[kLow * kLow / 2 - 1] + sorted[kLow * kLow / 2]) / 2;
  std::uint64_t bits = 0;
  for (const double value : low) bits = bits << 1 | (value > median ? 1U : 0U);
  return bits;
}

}  // namespace

PictureHash perceptual_hash(const Image& image) {
  if (image.width < 1 || image.height < 1) throw DataError("a picture without pixels has no hash");
  Grey grey = luminance(image);
  PictureHash hash;
  hash.plain = hash_of(reduce(grey));
  for (int y = 0; y < grey.height; ++y) std::reverse(grey.row(y), grey.row(y) + grey.width);
  hash.mirrored = hash_of(reduce(grey));
  return hash;
}

}  // namespace emotion
