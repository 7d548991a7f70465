#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/stimuli/boxes.h"

namespace emotion {

/// float [A, 4]: boxes around 0, for every ratio (height / width) each size (pixels), whole numbers; torchvision's order.
at::Tensor cell_anchors(const std::vector<double>& sizes, const std::vector<double>& ratios);

/// Caffe's anchors (py-faster-rcnn): around the middle of a cell of `base` pixels, corners are whole pixels, for every ratio each
/// scale. base 16, ratio 0.5, scale 8 -> -84 -40 99 55
at::Tensor caffe_cell_anchors(std::int64_t base, const std::vector<double>& ratios, const std::vector<double>& scales);

/// The cell's anchors at every place of a grid: float [height * width * A, 4], row by row.
at::Tensor grid_anchors(const at::Tensor& cell, const ImageSize& grid, const ImageSize& stride);

}  // namespace emotion
