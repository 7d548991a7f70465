#include "emotion/stimuli/anchors.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

namespace emotion {

at::Tensor cell_anchors(const std::vector<double>& sizes, const std::vector<double>& ratios) {
  const at::Tensor sides = at::tensor(sizes, at::kFloat);
  const at::Tensor tall = at::tensor(ratios, at::kFloat).sqrt(), wide = 1 / tall;
  const at::Tensor w = (wide.unsqueeze(1) * sides).flatten(), h = (tall.unsqueeze(1) * sides).flatten();
  return (at::stack({-w, -h, w, h}, 1) / 2).round();
}

at::Tensor caffe_cell_anchors(std::int64_t base, const std::vector<double>& ratios, const std::vector<double>& scales) {
  const double middle = 0.5 * static_cast<double>(base - 1), area = static_cast<double>(base) * static_cast<double>(base);
  std::vector<float> corners;
  for (const double ratio : ratios) {
    // nearbyint: numpy's round, halves to even.
    const double width = std::nearbyint(std::sqrt(area / ratio)), height = std::nearbyint(width * ratio);
    for (const double scale : scales) {
      const double x = 0.5 * (width * scale - 1), y = 0.5 * (height * scale - 1);
      for (const double corner : {middle - x, middle - y, middle + x, middle + y}) corners.push_back(static_cast<float>(corner));
    }
  }
  return at::tensor(corners).view({-1, 4});
}

at::Tensor grid_anchors(const at::Tensor& cell, const ImageSize& grid, const ImageSize& stride) {
  const auto options = cell.options();
  const at::Tensor x = at::arange(grid.width, options) * static_cast<double>(stride.width);
  const at::Tensor y = at::arange(grid.height, options) * static_cast<double>(stride.height);
  const at::Tensor row = x.unsqueeze(0).expand({grid.height, grid.width}),
                   column = y.unsqueeze(1).expand({grid.height, grid.width});
  const at::Tensor shifts = at::stack({row, column, row, column}, 2).view({-1, 1, 4});
  return (shifts + cell.unsqueeze(0)).view({-1, 4});
}

}  // namespace emotion
