#pragma once

#include <filesystem>
#include <string>

#include <zlib.h>

namespace emotion {

/// Writes bytes as gzip packs them.
inline void write_gzip(const std::filesystem::path& file, const std::string& bytes) {
  const gzFile out = gzopen(file.c_str(), "wb9");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

}  // namespace emotion
