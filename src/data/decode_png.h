#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "emotion/data/image.h"

namespace emotion {

/// Decodes a PNG to upright 8-bit RGB, alpha dropped, and says nothing on stderr. @throws DataError
Image decode_png(std::span<const std::byte> bytes, const std::filesystem::path& file);

}  // namespace emotion
