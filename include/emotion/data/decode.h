#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "emotion/data/image.h"

namespace emotion {

/// Decodes JPEG, PNG, WebP, BMP, TIFF or GIF (first frame), detected from content, to upright 8-bit RGB.
///
/// EXIF orientation is applied; grey, palette, CMYK/YCCK (Adobe inversion as Pillow) and 16-bit become RGB, alpha is dropped
/// as Pillow's convert("RGB") does. @throws DataError naming `file` and the reason; pictures above 2^28 pixels are refused unread
Image decode_image(std::span<const std::byte> bytes, const std::filesystem::path& file);
Image decode_image(const std::filesystem::path& file);

}  // namespace emotion
