#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/stimuli/boxes.h"

namespace emotion {

/// What RoIAlign (He et al., Mask R-CNN, 2017) reads; the fields and their meaning are torchvision's.
struct RoIAlignOptions {
  std::int64_t height = 7, width = 7;  ///< bins
  double scale = 1;                    ///< pixels of the map / pixels of the boxes
  std::int64_t sampling = 2;           ///< points a bin, in each direction; 0 = as many as a bin has pixels, rounded up
  bool aligned = false;                ///< boxes are moved by half a pixel of the map and may be smaller than one
};

/// Means of bilinear samples in the bins of each box.
///
/// map: [N, C, H, W]; boxes: [n, 5], image number (from 0), x1 y1 x2 y2 -> [n, C, height, width]. Differentiable in the map.
/// On the CPU float and double, multi-threaded; other dtypes are computed in float. Other devices: roi_align_by_gather().
at::Tensor roi_align(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& options);

/// The same in tensor operations, for any device.
at::Tensor roi_align_by_gather(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& options);

/// RoIAlign from the level of a feature pyramid that fits each box (Lin et al., 2017, Eq 1): level 4 + log2(sqrt(area) / 224),
/// held within the levels there are.
///
/// levels: maps of strides 2^first, 2^(first + 1), ..; boxes: of each image [n_i, 4] -> [sum n_i, C, height, width]
at::Tensor pyramid_roi_align(const std::vector<at::Tensor>& levels, const std::vector<at::Tensor>& boxes, RoIAlignOptions options,
                             std::int64_t first = 2);

/// int64 [n]: the level, from 0, that pyramid_roi_align() reads for each of boxes [n, 4]
at::Tensor pyramid_level(const at::Tensor& boxes, std::int64_t first, std::int64_t count);

/// float [n, 5] from the boxes of each image
at::Tensor boxes_with_image(const std::vector<at::Tensor>& boxes);

}  // namespace emotion
