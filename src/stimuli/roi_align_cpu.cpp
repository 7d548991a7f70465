#include "roi_align_cpu.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "emotion/processor.h"

// A bin's mean of bilinear samples is separable: its weight at a pixel is a weight of the row times a weight of the column. Each
// axis is worked out once a box, samples that fall between the same pixels are added up, and a bin then reads every pixel once.
// Maps are read in channels_last order, so that the inner loop runs over the channels of a pixel, which lie side by side.

namespace emotion {
namespace {

/// Weights of the pixels of one axis for each bin.
struct Axis {
  struct Tap {
    std::int64_t pixel;
    double weight;
  };
  std::vector<Tap> taps;
  std::vector<std::size_t> ends;  ///< of each bin's taps

  void add(std::int64_t pixel, double weight, std::size_t begin) {
    for (std::size_t i = taps.size(); i > begin && i + 2 > taps.size(); --i) {
      if (taps[i - 1].pixel == pixel) {
        taps[i - 1].weight += weight;
        return;
      }
    }
    taps.push_back({pixel, weight});
  }

  /// start, bin: in pixels of the map; size: of the map along this axis
  void make(double start, double bin, std::int64_t bins, std::int64_t samples, std::int64_t size) {
    taps.clear();
    ends.clear();
    for (std::int64_t b = 0; b < bins; ++b) {
      const std::size_t begin = taps.size();
      for (std::int64_t s = 0; s < samples; ++s) {
        double at = start + static_cast<double>(b) * bin + (static_cast<double>(s) + 0.5) * bin / static_cast<double>(samples);
        // Also false for NaN. More than a pixel outside the map a sample is 0.
        if (!(at >= -1.0 && at <= static_cast<double>(size))) continue;
        at = std::max(at, 0.0);
        const auto low = static_cast<std::int64_t>(at);
        if (low >= size - 1) {
          add(size - 1, 1.0 / static_cast<double>(samples), begin);
          continue;
        }
        const double part = at - static_cast<double>(low);
        add(low, (1 - part) / static_cast<double>(samples), begin);
        add(low + 1, part / static_cast<double>(samples), begin);
      }
      ends.push_back(taps.size());
    }
  }
};

/// Both axes of one box.
struct Bins {
  std::int64_t image = -1;  ///< -1: no image of the batch
  Axis rows, columns;
};

template <class T>
void make_bins(const T* box, const RoIAlignOptions& o, at::IntArrayRef map, Bins& bins) {
  // The corners are float where the boxes are: torchvision's arithmetic decides which pixels a sample lies between.
  const T offset = o.aligned ? T(0.5) : T(0), scale = static_cast<T>(o.scale);
  const T x1 = box[1] * scale - offset, y1 = box[2] * scale - offset, x2 = box[3] * scale - offset, y2 = box[4] * scale - offset;
  T width = x2 - x1, height = y2 - y1;
  if (!o.aligned) {
    width = std::max(width, T(1));
    height = std::max(height, T(1));
  }
  const T bin_width = width / static_cast<T>(o.width), bin_height = height / static_cast<T>(o.height);
  const auto samples = [&](T bin) {
    if (o.sampling > 0) return o.sampling;
    return std::isfinite(bin) ? static_cast<std::int64_t>(std::clamp(std::ceil(bin), T(0), T(16384))) : std::int64_t{0};
  };
  bins.image = static_cast<std::int64_t>(box[0]);
  bins.rows.make(y1, bin_height, o.height, samples(bin_height), map[2]);
  bins.columns.make(x1, bin_width, o.width, samples(bin_width), map[3]);
}

/// to[c] = sum over taps of weights[t] * from[offsets[t] + c]
template <class T>
inline __attribute__((always_inline)) void weighted_sum(T* to, const T* from, const std::int64_t* offsets, const T* weights,
                                                        std::size_t taps, std::int64_t channels) {
  constexpr std::int64_t kBlock = 32;  // sums that stay in registers
  std::int64_t c = 0;
  for (; c + kBlock <= channels; c += kBlock) {
    T sums[kBlock] = {};
    for (std::size_t t = 0; t < taps; ++t) {
      const T* pixel = from + offsets[t] + c;
      for (std::int64_t i = 0; i < kBlock; ++i) sums[i] += weights[t] * pixel[i];
    }
    for (std::int64_t i = 0; i < kBlock; ++i) to[c + i] = sums[i];
  }
  for (; c < channels; ++c) {
    T sum = 0;
    for (std::size_t t = 0; t < taps; ++t) sum += weights[t] * from[offsets[t] + c];
    to[c] = sum;
  }
}

/// to[offsets[t] + c] += weights[t] * from[c]
template <class T>
inline __attribute__((always_inline)) void scatter_add(T* to, const T* from, const std::int64_t* offsets, const T* weights,
                                                       std::size_t taps, std::int64_t channels) {
  for (std::size_t t = 0; t < taps; ++t) {
    T* pixel = to + offsets[t];
    for (std::int64_t c = 0; c < channels; ++c) pixel[c] += weights[t] * from[c];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void weighted_sum_avx2(float* to, const float* from, const std::int64_t* offsets,
                                                           const float* weights, std::size_t taps, std::int64_t channels) {
  weighted_sum(to, from, offsets, weights, taps, channels);
}
__attribute__((target("avx2,fma"))) void scatter_add_avx2(float* to, const float* from, const std::int64_t* offsets,
                                                          const float* weights, std::size_t taps, std::int64_t channels) {
  scatter_add(to, from, offsets, weights, taps, channels);
}
#endif

template <class T>
void gather(T* to, const T* from, const std::int64_t* offsets, const T* weights, std::size_t taps, std::int64_t channels) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>) {
    if (has_avx2()) return weighted_sum_avx2(to, from, offsets, weights, taps, channels);
  }
#endif
  weighted_sum(to, from, offsets, weights, taps, channels);
}

template <class T>
void scatter(T* to, const T* from, const std::int64_t* offsets, const T* weights, std::size_t taps, std::int64_t channels) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>) {
    if (has_avx2()) return scatter_add_avx2(to, from, offsets, weights, taps, channels);
  }
#endif
  scatter_add(to, from, offsets, weights, taps, channels);
}

/// Calls visit(bin, offsets, weights, taps) for every bin, row by row; offsets are in numbers of the channels_last map.
template <class T, class Visit>
void visit_bins(const Bins& bins, std::int64_t map_width, std::int64_t channels, Visit&& visit) {
  std::vector<std::int64_t> offsets;
  std::vector<T> weights;
  std::size_t y = 0;
  std::int64_t bin = 0;
  for (const std::size_t y_end : bins.rows.ends) {
    std::size_t x = 0;
    for (const std::size_t x_end : bins.columns.ends) {
      offsets.clear();
      weights.clear();
      for (std::size_t i = y; i < y_end; ++i) {
        for (std::size_t j = x; j < x_end; ++j) {
          offsets.push_back((bins.rows.taps[i].pixel * map_width + bins.columns.taps[j].pixel) * channels);
          weights.push_back(static_cast<T>(bins.rows.taps[i].weight * bins.columns.taps[j].weight));
        }
      }
      visit(bin++, offsets.data(), weights.data(), offsets.size());
      x = x_end;
    }
    y = y_end;
  }
}

/// [rows][columns] -> [columns][rows], in blocks that stay in the cache.
template <class T>
void transpose(const T* from, T* to, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t c0 = 0; c0 < columns; c0 += kBlock) {
    const std::int64_t c1 = std::min(c0 + kBlock, columns);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = c0; c < c1; ++c) to[c * rows + r] = from[r * columns + c];
    }
  }
}

template <class T>
void forward(const T* map, const T* boxes, T* out, at::IntArrayRef sizes, std::int64_t count, const RoIAlignOptions& options) {
  const std::int64_t channels = sizes[1], plane = sizes[2] * sizes[3], area = options.height * options.width;
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    Bins bins;
    std::vector<T> sums(static_cast<std::size_t>(area * channels));
    for (std::int64_t r = begin; r < end; ++r) {
      make_bins(boxes + 5 * r, options, sizes, bins);
      TORCH_CHECK(bins.image >= 0 && bins.image < sizes[0], "roi_align: box ", r, " is of image ", bins.image, " of ", sizes[0]);
      const T* image = map + bins.image * plane * channels;
      visit_bins<T>(bins, sizes[3], channels,
                    [&](std::int64_t bin, const std::int64_t* offsets, const T* weights, std::size_t taps) {
                      gather(sums.data() + bin * channels, image, offsets, weights, taps, channels);
                    });
      transpose(sums.data(), out + r * channels * area, area, channels);
    }
  });
}

template <class T>
void backward(const T* gradient, const T* boxes, T* out, at::IntArrayRef sizes, std::int64_t count,
              const RoIAlignOptions& options) {
  const std::int64_t channels = sizes[1], plane = sizes[2] * sizes[3], area = options.height * options.width;
  // A thread owns a range of channels of the whole map: no two write to one place, and every place adds up in the boxes' order.
  at::parallel_for(0, channels, 16, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t width = end - begin;
    Bins bins;
    std::vector<T> turned(static_cast<std::size_t>(area * width));
    for (std::int64_t r = 0; r < count; ++r) {
      make_bins(boxes + 5 * r, options, sizes, bins);
      transpose(gradient + (r * channels + begin) * area, turned.data(), width, area);
      T* image = out + bins.image * plane * channels + begin;
      visit_bins<T>(bins, sizes[3], channels,
                    [&](std::int64_t bin, const std::int64_t* offsets, const T* weights, std::size_t taps) {
                      scatter(image, turned.data() + bin * width, offsets, weights, taps, width);
                    });
    }
  });
}

}  // namespace

at::Tensor roi_align_forward(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& options) {
  at::Tensor out =
      at::empty({boxes.size(0), map.size(1), options.height, options.width}, map.options(), at::MemoryFormat::Contiguous);
  AT_DISPATCH_FLOATING_TYPES(map.scalar_type(), "roi_align", [&] {
    forward(map.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), map.sizes(),
            boxes.size(0), options);
  });
  return out;
}

at::Tensor roi_align_backward(const at::Tensor& gradient, const at::Tensor& boxes, at::IntArrayRef map_sizes,
                              const RoIAlignOptions& options) {
  at::Tensor out = at::empty(map_sizes, gradient.options(), at::MemoryFormat::ChannelsLast).zero_();
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "roi_align_backward", [&] {
    backward(gradient.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), map_sizes,
             boxes.size(0), options);
  });
  return out;
}

}  // namespace emotion
