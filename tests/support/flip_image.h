#pragma once

#include <algorithm>

#include "emotion/data/image.h"

namespace emotion {

/// The mirror image: left is right.
inline Image flip_image(const Image& image) {
  Image flipped = image;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) std::copy_n(image.row(y) + 3 * (image.width - 1 - x), 3, flipped.row(y) + 3 * x);
  }
  return flipped;
}

}  // namespace emotion
