#pragma once

#include <cstdint>
#include <vector>

namespace emotion {

/// 8-bit RGB pixels, row by row without padding.
struct Image {
  int width = 0, height = 0;         ///< pixels
  std::vector<std::uint8_t> pixels;  ///< height x width x 3

  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * width * 3; }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * width * 3; }
};

}  // namespace emotion
