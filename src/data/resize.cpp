#include "emotion/data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "resize_box.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define EMOTION_AVX2
#endif

namespace emotion {
namespace {

constexpr int kPrecision = 22;  // bits of a weight, as Pillow has them: 32 - 8 bits of a pixel - 2 of headroom
constexpr std::int32_t kHalf = 1 << (kPrecision - 1);

/// Pillow's weights for one direction. Taps of an output place are all of one count, so that loops run straight, a multiple of
/// four; those that a place does not need weigh nothing. A weight w is kept as w = 256 high + low: both halves are 16-bit
/// factors, which SIMD multiplies and adds in pairs without losing a bit of Pillow's sums.
struct Taps {
  int count = 0, needed = 0;            // count: taps a place, a multiple of 4; needed: how many of them may weigh something
  std::vector<int> first;               // first input place of each output place
  std::vector<std::int16_t> high, low;  // [outputs, count]
  const std::int16_t* high_of(int i) const { return high.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(count); }
  const std::int16_t* low_of(int i) const { return low.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(count); }
};

Taps make_taps(int input, double begin, double end, int output) {
  const double scale = (end - begin) / output, width = std::max(scale, 1.0);
  Taps taps;
  const auto range = [&](int i) {
    const double center = begin + (i + 0.5) * scale;
    return std::pair(std::max(static_cast<int>(center - width + 0.5), 0),
                     std::min(static_cast<int>(center + width + 0.5), input));
  };
  for (int i = 0; i < output; ++i) taps.needed = std::max(taps.needed, range(i).second - range(i).first);
  taps.count = (taps.needed + 3) / 4 * 4;
  taps.first.resize(static_cast<std::size_t>(output));
  taps.high.assign(static_cast<std::size_t>(output) * static_cast<std::size_t>(taps.count), 0);
  taps.low = taps.high;
  std::vector<double> line;
  for (int i = 0; i < output; ++i) {
    const double center = begin + (i + 0.5) * scale;
    const auto [low, high] = range(i);
    line.assign(static_cast<std::size_t>(high - low), 0);
    double sum = 0;
    for (int x = low; x < high; ++x)
      sum += line[static_cast<std::size_t>(x - low)] = std::max(0.0, 1 - std::abs((x - center + 0.5) / width));
    const int first = std::min(low, input - taps.needed);  // keeps all taps inside; those in front weigh nothing
    taps.first[static_cast<std::size_t>(i)] = first;
    for (int x = low; x < high; ++x) {
      const auto weight = static_cast<std::int32_t>(line[static_cast<std::size_t>(x - low)] / sum * (1 << kPrecision) + 0.5);
      const std::size_t place =
          static_cast<std::size_t>(i) * static_cast<std::size_t>(taps.count) + static_cast<std::size_t>(x - first);
      taps.high[place] = static_cast<std::int16_t>(weight >> 8);
      taps.low[place] = static_cast<std::int16_t>(weight & 255);
    }
  }
  return taps;
}

inline std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecision, 0, 255)); }

/// Output pixels `begin` .. `end` of one row.
void resize_row(const std::uint8_t* row, const Taps& taps, int begin, int end, std::uint8_t* out) {
  for (int x = begin; x < end; ++x) {
    const std::uint8_t* pixel = row + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(x)]) * 3;
    const std::int16_t *high = taps.high_of(x), *low = taps.low_of(x);
    std::array<std::int32_t, 3> sums{kHalf, kHalf, kHalf};
    for (int i = 0; i < taps.needed; ++i, pixel += 3) {
      for (std::size_t c = 0; c < 3; ++c) sums[c] += pixel[c] * (high[i] * 256 + low[i]);
    }
    for (std::size_t c = 0; c < 3; ++c) out[static_cast<std::size_t>(x) * 3 + c] = to_byte(sums[c]);
  }
}

/// Bytes `begin` .. `end` of output row y.
void resize_column(const Image& from, const Taps& taps, int first_row, int y, int begin, int end, std::uint8_t* out) {
  const std::int16_t *high = taps.high_of(y), *low = taps.low_of(y);
  const int first = taps.first[static_cast<std::size_t>(y)] - first_row;
  for (int x = begin; x < end; ++x) {
    std::int32_t sum = kHalf;
    for (int i = 0; i < taps.needed; ++i) sum += from.row(first + i)[x] * (high[i] * 256 + low[i]);
    out[x] = to_byte(sum);
  }
}

#ifdef EMOTION_AVX2

/// Four taps at a time: lane 0 holds pixels 0 and 1, lane 1 pixels 2 and 3, as pairs of 16-bit numbers r r g g b b 0 0.
__attribute__((target("avx2"))) void resize_row_avx2(const std::uint8_t* row, const Taps& taps, int begin, int end,
                                                     std::uint8_t* out) {
  const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8,
                                         -1, 11, -1, -1, -1, -1, -1);
  const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  for (int x = begin; x < end; ++x) {
    const std::uint8_t* pixel = row + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(x)]) * 3;
    const std::int16_t *high = taps.high_of(x), *low = taps.low_of(x);
    __m256i high_sum = _mm256_setzero_si256(), low_sum = _mm256_setzero_si256();
    for (int i = 0; i < taps.count; i += 4, pixel += 12) {
      const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pixel)));
      const __m256i values = _mm256_shuffle_epi8(bytes, pairs);
      const __m256i h = _mm256_castsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(high + i)));
      const __m256i l = _mm256_castsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(low + i)));
      high_sum = _mm256_add_epi32(high_sum, _mm256_madd_epi16(values, _mm256_permutevar8x32_epi32(h, spread)));
      low_sum = _mm256_add_epi32(low_sum, _mm256_madd_epi16(values, _mm256_permutevar8x32_epi32(l, spread)));
    }
    const __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high_sum, 8), low_sum);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kPrecision);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    const int rgb = _mm_cvtsi128_si32(sum);
    std::memcpy(out + static_cast<std::size_t>(x) * 3, &rgb, 3);
  }
}

/// Sixteen bytes of a row at a time, two rows a multiplication. Gives how many bytes it wrote.
__attribute__((target("avx2"))) int resize_column_avx2(const Image& from, const Taps& taps, int first_row, int y, int count,
                                                       std::uint8_t* out) {
  const std::int16_t *high = taps.high_of(y), *low = taps.low_of(y);
  const std::uint8_t* top = from.row(taps.first[static_cast<std::size_t>(y)] - first_row);
  const std::size_t stride = static_cast<std::size_t>(from.width) * 3;
  int x = 0;
  for (; x + 16 <= count; x += 16) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, lows[2] = {sums[0], sums[0]};
    const std::uint8_t* at = top + x;
    for (int i = 0; i < taps.needed; i += 2, at += 2 * stride) {
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      // The last tap of an odd count is paired with a weight of 0: any bytes will do, those of its own row are there.
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(i + 1 < taps.needed ? at + stride : at));
      std::int32_t high_pair = 0, low_pair = 0;
      std::memcpy(&high_pair, high + i, 4);
      std::memcpy(&low_pair, low + i, 4);
      const __m256i h = _mm256_set1_epi32(high_pair), l = _mm256_set1_epi32(low_pair);
      const __m256i values[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))};
      for (int k = 0; k < 2; ++k) {
        sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(values[k], h));
        lows[k] = _mm256_add_epi32(lows[k], _mm256_madd_epi16(values[k], l));
      }
    }
    for (int k = 0; k < 2; ++k) {
      const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(sums[k], 8), lows[k]), _mm256_set1_epi32(kHalf));
      sums[k] = _mm256_srai_epi32(sum, kPrecision);
    }
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sums[0], sums[1]), 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), bytes);
  }
  return x;
}

const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;

#endif

/// Each row to `taps.first.size()` pixels.
void resize_rows(const Image& from, const Taps& taps, int first_row, Image& to) {
  int fast = 0;  // output pixels whose reads of 16 bytes at a time stay within their row
#ifdef EMOTION_AVX2
  if (kHasAvx2) {
    while (fast < to.width && taps.first[static_cast<std::size_t>(fast)] * 3 + taps.count * 3 + 4 <= from.width * 3) ++fast;
  }
#endif
  for (int y = 0; y < to.height; ++y) {
    const std::uint8_t* row = from.row(first_row + y);
#ifdef EMOTION_AVX2
    if (fast > 0) resize_row_avx2(row, taps, 0, fast, to.row(y));
#endif
    resize_row(row, taps, fast, to.width, to.row(y));
  }
}

/// Rows `first_row` .. of the input are rows 0 .. of `from`.
void resize_columns(const Image& from, const Taps& taps, int first_row, Image& to) {
  for (int y = 0; y < to.height; ++y) {
    int done = 0;
#ifdef EMOTION_AVX2
    if (kHasAvx2) done = resize_column_avx2(from, taps, first_row, y, to.width * 3, to.row(y));
#endif
    resize_column(from, taps, first_row, y, done, to.width * 3, to.row(y));
  }
}

Image blank(int width, int height) {
  Image image{width, height, {}};
  image.pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  return image;
}

}  // namespace

Image resize_box(const Image& image, const std::array<double, 4>& box, int width, int height) {
  const Taps columns = make_taps(image.width, box[0], box[2], width), rows = make_taps(image.height, box[1], box[3], height);
  const int first_row = *std::min_element(rows.first.begin(), rows.first.end());
  const int last_row = *std::max_element(rows.first.begin(), rows.first.end()) + rows.needed;
  Image narrow = blank(width, last_row - first_row);
  resize_rows(image, columns, first_row, narrow);
  Image result = blank(width, height);
  resize_columns(narrow, rows, first_row, result);
  return result;
}

Image resize_image(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  if (image.height > height && image.height - height > 2 * (image.width - width)) {
    Image low = blank(image.width, height);
    resize_columns(image, make_taps(image.height, 0, image.height, height), 0, low);
    Image result = blank(width, height);
    resize_rows(low, make_taps(image.width, 0, image.width, width), 0, result);
    return result;
  }
  return resize_box(image, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}, width, height);
}

Image resize_shorter(const Image& image, int side) {
  const bool tall = image.width <= image.height;
  const double longer = static_cast<double>(side) * (tall ? image.height : image.width) / (tall ? image.width : image.height);
  return tall ? resize_image(image, side, static_cast<int>(longer)) : resize_image(image, static_cast<int>(longer), side);
}

Image crop_image(const Image& image, int x, int y, int width, int height) {
  Image result = blank(width, height);
  const int left = std::max(x, 0), right = std::min(x + width, image.width);
  for (int v = std::max(0, -y); v < height && y + v < image.height && left < right; ++v) {
    std::copy(image.row(y + v) + static_cast<std::size_t>(left) * 3, image.row(y + v) + static_cast<std::size_t>(right) * 3,
              result.row(v) + static_cast<std::size_t>(left - x) * 3);
  }
  return result;
}

void mirror_pixels(std::uint8_t* pixels, int width, int height) {
  cv::Mat picture(height, width, CV_8UC3, pixels);
  cv::flip(picture, picture, 1);
}

}  // namespace emotion
