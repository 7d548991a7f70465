#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace emotion {

/// RoI max pooling as Caffe's layer of Fast R-CNN (Girshick, 2015): corners are rounded to pixels of the map, a bin without
/// pixels is 0. map [1 or N, C, H, W], boxes [n, 5] (image number, x1 y1 x2 y2) -> [n, C, bins, bins]. Without gradient.
at::Tensor roi_max_pool(const at::Tensor& map, const at::Tensor& boxes, double scale, std::int64_t bins);

}  // namespace emotion
