#pragma once

#include <filesystem>
#include <string>

#include "emotion/data/image.h"

namespace emotion {

/// JPEG bytes of a picture, quality 85.
std::string encode_jpeg(const Image& image);
/// PNG bytes of a picture.
std::string encode_png(const Image& image);
/// The picture, shrunk so that its longer side is at most `side` pixels.
Image shrink_to(const Image& image, int side);

/// `<img>` of a file within the page, its shorter side `side` pixels; a note in its place if it cannot be read.
std::string thumbnail_html(const std::filesystem::path& file, int side, const std::string& alternative);

}  // namespace emotion
