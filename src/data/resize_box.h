#pragma once

#include <array>

#include "emotion/data/image.h"

namespace emotion {

/// resize_image() of the part `box` (left, top, right, bottom; fractions of pixels allowed) of a picture.
Image resize_box(const Image& image, const std::array<double, 4>& box, int width, int height);

}  // namespace emotion
