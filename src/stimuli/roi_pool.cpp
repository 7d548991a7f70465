#include "emotion/stimuli/roi_pool.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

namespace emotion {

at::Tensor roi_max_pool(const at::Tensor& map, const at::Tensor& boxes, double scale, std::int64_t bins) {
  const at::Tensor x = map.detach().to(at::kCPU, at::kFloat).contiguous(),
                   b = boxes.detach().to(at::kCPU, at::kFloat).contiguous();
  const std::int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  at::Tensor out = at::zeros({b.size(0), channels, bins, bins});
  at::parallel_for(0, b.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* box = b.const_data_ptr<float>() + 5 * r;
      const auto image = static_cast<std::int64_t>(box[0]);
      TORCH_CHECK(image >= 0 && image < x.size(0), "roi_max_pool: box ", r, " is of image ", image, " of ", x.size(0));
      const auto pixel = [&](int i) { return static_cast<std::int64_t>(std::round(box[i] * static_cast<float>(scale))); };
      const std::int64_t x1 = pixel(1), y1 = pixel(2);
      const float bin_width = static_cast<float>(std::max<std::int64_t>(pixel(3) - x1 + 1, 1)) / static_cast<float>(bins);
      const float bin_height = static_cast<float>(std::max<std::int64_t>(pixel(4) - y1 + 1, 1)) / static_cast<float>(bins);
      const auto edge = [&](float at, std::int64_t start, std::int64_t size, bool last) {
        const float whole = last ? std::ceil(at) : std::floor(at);
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(whole) + start, 0, size);
      };
      for (std::int64_t c = 0; c < channels; ++c) {
        const float* plane = x.const_data_ptr<float>() + (image * channels + c) * height * width;
        float* to = out.data_ptr<float>() + (r * channels + c) * bins * bins;
        for (std::int64_t i = 0; i < bins * bins; ++i) {
          const auto row = static_cast<float>(i / bins), column = static_cast<float>(i % bins);
          const std::int64_t top = edge(row * bin_height, y1, height, false),
                             bottom = edge((row + 1) * bin_height, y1, height, true);
          const std::int64_t left = edge(column * bin_width, x1, width, false),
                             right = edge((column + 1) * bin_width, x1, width, true);
          if (bottom <= top || right <= left) continue;
          float most = plane[top * width + left];
          for (std::int64_t v = top; v < bottom; ++v)
            most = std::max(most, *std::max_element(plane + v * width + left, plane + v * width + right));
          to[i] = most;
        }
      }
    }
  });
  return out.to(map.device(), map.scalar_type());
}

}  // namespace emotion
