#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "emotion/data/image.h"

namespace emotion {

/// A rectangle in pixels of an upright picture.
struct Region {
  int x = 0, y = 0, width = 0, height = 0;
};

/// Part of a picture at a smaller scale: `box` (left, top, right, bottom, in pixels of `image`) is what was asked for.
struct ScaledRegion {
  Image image;
  std::array<double, 4> box;
};

bool is_jpeg(std::span<const std::byte> bytes);

/// Decodes the whole picture as Pillow does (accurate DCT, smooth chroma), upright.
Image decode_jpeg(std::span<const std::byte> bytes, const std::filesystem::path& file);

/// Decodes only the part that `choose` (given the upright width and height) picks, at the smallest of the scales 1/8, 1/4, 1/2, 1
/// that still has `min_size` pixels a side there.
ScaledRegion decode_jpeg_region(std::span<const std::byte> bytes, const std::filesystem::path& file, int min_size,
                                const std::function<Region(int width, int height)>& choose);

/// Value of the EXIF orientation tag in an APP1 marker; 1 (upright) if there is none or it is malformed.
int exif_orientation(std::span<const std::uint8_t> app1);

/// Turns stored pixels upright; orientation 1 .. 8 as in EXIF.
Image orient_image(Image image, int orientation);

/// Pictures above 2^28 pixels are refused. @throws DataError
void check_image_size(std::int64_t width, std::int64_t height, const std::filesystem::path& file);

}  // namespace emotion
