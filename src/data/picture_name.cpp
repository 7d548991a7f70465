#include "emotion/data/picture_name.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

namespace emotion {

bool has_picture_name(const std::filesystem::path& file) {
  static const std::set<std::string> known{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"};
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return known.contains(suffix);
}

}  // namespace emotion
