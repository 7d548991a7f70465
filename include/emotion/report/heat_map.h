#pragma once

#include <array>

#include <ATen/core/Tensor.h>

#include "emotion/data/image.h"

namespace emotion {

/// A class activation map over a picture: from blue (nothing) to red, the map's own range.
///
/// map: float [h, w], spread over `view` (x, y, width, height in pixels of the picture, which it may leave); outside the view,
/// where the network saw nothing, the picture is pale.
Image heat_map(const Image& picture, const at::Tensor& map, const std::array<double, 4>& view);

}  // namespace emotion
