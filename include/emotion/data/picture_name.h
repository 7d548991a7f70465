#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// How files are called that decode_image reads: jpg, jpeg, jpe, jfif, png, webp, bmp, tif, tiff, gif.
const std::vector<std::string>& picture_suffixes();

/// True if a file is called as a picture, in small letters or capitals. The disk is not touched.
bool has_picture_name(const std::filesystem::path& file);

}  // namespace emotion
