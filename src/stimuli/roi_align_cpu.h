#pragma once

#include <ATen/core/Tensor.h>

#include "emotion/stimuli/roi_align.h"

namespace emotion {

/// roi_align() on the CPU without autograd. map: float or double [N, C, H, W] in channels_last order; boxes: the same dtype.
at::Tensor roi_align_forward(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& options);

/// Its gradient with respect to the map: gradient [n, C, height, width] -> [N, C, H, W]. The sum's order is that of the boxes,
/// whatever the number of threads.
at::Tensor roi_align_backward(const at::Tensor& gradient, const at::Tensor& boxes, at::IntArrayRef map_sizes,
                              const RoIAlignOptions& options);

}  // namespace emotion
