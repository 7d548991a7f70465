#include "emotion/data/picture_name.h"

#include <algorithm>
#include <string>
#include <vector>

#include "emotion/io/utf8.h"

namespace emotion {

const std::vector<std::string>& picture_suffixes() {
  static const std::vector<std::string> suffixes{"jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif"};
  return suffixes;
}

bool has_picture_name(const std::filesystem::path& file) {
  const std::string suffix = small_letters(file.extension().string());
  return std::any_of(picture_suffixes().begin(), picture_suffixes().end(),
                     [&](const std::string& known) { return suffix == "." + known; });
}

}  // namespace emotion
