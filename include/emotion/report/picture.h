#pragma once

#include <filesystem>
#include <string>

#include "emotion/data/image.h"

namespace emotion {

/// JPEG bytes of a picture, quality 85. @throws RunError for more pixels than a file of that kind can have
std::string encode_jpeg(const Image& image);
/// PNG bytes of a picture. @throws RunError as encode_jpeg
std::string encode_png(const Image& image);
/// Writes a picture as its name ends: .jpg (quality 85) or .png. @throws RunError naming the file
void write_picture(const std::filesystem::path& file, const Image& image);
/// The picture, shrunk so that its longer side is at most `side` pixels.
Image shrink_to(const Image& image, int side);

/// `<img>` of a file within the page, its shorter side `side` pixels, the longer at most four times that; a note in its place if
/// it cannot be read.
std::string thumbnail_html(const std::filesystem::path& file, int side, const std::string& alternative);

}  // namespace emotion
