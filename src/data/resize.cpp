#include "emotion/data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "resize_box.h"

namespace emotion {
namespace {

constexpr int kPrecision = 22;  // bits of a weight, as Pillow has them: 32 - 8 bits of a pixel - 2 of headroom
constexpr std::int32_t kHalf = 1 << (kPrecision - 1);

/// For every output place: the first input place and its weights, all of one count so that loops run straight.
struct Taps {
  int count = 0;
  std::vector<int> first;
  std::vector<std::int32_t> weights;  // [outputs, count], fixed point
  const std::int32_t* of(int i) const { return weights.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(count); }
};

Taps make_taps(int input, double begin, double end, int output) {
  const double scale = (end - begin) / output, width = std::max(scale, 1.0);
  Taps taps;
  taps.count = std::min(static_cast<int>(std::ceil(width)) * 2 + 1, input);
  taps.first.resize(static_cast<std::size_t>(output));
  taps.weights.assign(static_cast<std::size_t>(output) * static_cast<std::size_t>(taps.count), 0);
  std::vector<double> line;
  for (int i = 0; i < output; ++i) {
    const double center = begin + (i + 0.5) * scale;
    const int low = std::max(static_cast<int>(center - width + 0.5), 0), high = std::min(static_cast<int>(center + width + 0.5), input);
    line.assign(static_cast<std::size_t>(high - low), 0);
    double sum = 0;
    for (int x = low; x < high; ++x) sum += line[static_cast<std::size_t>(x - low)] = std::max(0.0, 1 - std::abs((x - center + 0.5) / width));
    const int first = std::min(low, input - taps.count);  // keeps all taps inside; those in front weigh nothing
    taps.first[static_cast<std::size_t>(i)] = first;
    for (int x = low; x < high; ++x) {
      const double weight = line[static_cast<std::size_t>(x - low)] / sum * (1 << kPrecision);
      taps.weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(taps.count) + static_cast<std::size_t>(x - first)] =
          static_cast<std::int32_t>(weight + 0.5);
    }
  }
  return taps;
}

inline std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecision, 0, 255)); }

/// Each row to `taps.first.size()` pixels.
__attribute__((target_clones("avx2", "default"))) void resize_rows(const Image& from, const Taps& taps, int first_row, Image& to) {
  for (int y = 0; y < to.height; ++y) {
    const std::uint8_t* row = from.row(first_row + y);
    std::uint8_t* out = to.row(y);
    for (int x = 0; x < to.width; ++x, out += 3) {
      const std::uint8_t* pixel = row + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(x)]) * 3;
      const std::int32_t* weights = taps.of(x);
      std::int32_t r = kHalf, g = kHalf, b = kHalf;
      for (int i = 0; i < taps.count; ++i, pixel += 3) {
        r += pixel[0] * weights[i];
        g += pixel[1] * weights[i];
        b += pixel[2] * weights[i];
      }
      out[0] = to_byte(r);
      out[1] = to_byte(g);
      out[2] = to_byte(b);
    }
  }
}

/// Rows `first_row` .. of the input are rows 0 .. of `from`.
__attribute__((target_clones("avx2", "default"))) void resize_columns(const Image& from, const Taps& taps, int first_row, Image& to) {
  const int count = to.width * 3;
  std::vector<std::int32_t> buffer(static_cast<std::size_t>(count));
  std::int32_t* sums = buffer.data();
  for (int y = 0; y < to.height; ++y) {
    std::fill_n(sums, count, kHalf);
    const std::int32_t* weights = taps.of(y);
    for (int i = 0; i < taps.count; ++i) {
      const std::int32_t weight = weights[i];
      if (weight == 0) continue;
      const std::uint8_t* row = from.row(taps.first[static_cast<std::size_t>(y)] + i - first_row);
      for (int x = 0; x < count; ++x) sums[x] += row[x] * weight;
    }
    std::uint8_t* out = to.row(y);
    for (int x = 0; x < count; ++x) out[x] = to_byte(sums[x]);
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
  const int last_row = *std::max_element(rows.first.begin(), rows.first.end()) + rows.count;
  Image narrow = blank(width, last_row - first_row);
  resize_rows(image, columns, first_row, narrow);
  Image result = blank(width, height);
  resize_columns(narrow, rows, first_row, result);
  return result;
}

Image resize_image(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
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

Image flip_image(const Image& image) {
  Image result = blank(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.row(y) + static_cast<std::size_t>(image.width) * 3;
    std::uint8_t* to = result.row(y);
    for (int x = 0; x < image.width; ++x, to += 3) {
      from -= 3;
      std::copy_n(from, 3, to);
    }
  }
  return result;
}

}  // namespace emotion
