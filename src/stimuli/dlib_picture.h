#pragma once

#include <cstring>

#include <dlib/array2d.h>
#include <dlib/image_transforms.h>
#include <dlib/pixel.h>

#include "emotion/data/image.h"

namespace emotion {

/// A copy in dlib's own form, doubled `upsample` times.
inline dlib::array2d<dlib::rgb_pixel> dlib_picture(const Image& image, int upsample = 0) {
  static_assert(sizeof(dlib::rgb_pixel) == 3);
  dlib::array2d<dlib::rgb_pixel> picture(image.height, image.width);
  for (int y = 0; y < image.height; ++y) std::memcpy(&picture[y][0], image.row(y), static_cast<std::size_t>(image.width) * 3);
  for (int i = 0; i < upsample; ++i) dlib::pyramid_up(picture, dlib::pyramid_down<2>());
  return picture;
}

}  // namespace emotion
