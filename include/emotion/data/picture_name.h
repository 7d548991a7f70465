#pragma once

#include <filesystem>

namespace emotion {

/// True if a file is called as a picture that decode_image reads, in small letters or capitals: .jpg, .jpeg, .jpe, .jfif, .png,
/// .webp, .bmp, .tif, .tiff, .gif. The disk is not touched.
bool has_picture_name(const std::filesystem::path& file);

}  // namespace emotion
