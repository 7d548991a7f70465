#pragma once

#include <filesystem>
#include <string>

#include "emotion/data/image.h"

namespace emotion {

/// JPEG bytes of a picture, quality 85.
std::string encode_jpeg(const Image& image);

/// `<img>` of a file within the page, its shorter side `side` pixels; a note in its place if it cannot be read.
std::string thumbnail_html(const std::filesystem::path& file, int side, const std::string& alternative);

}  // namespace emotion
