#include "image_path.h"

#include <filesystem>

namespace emotion {

std::string plain_path(std::string_view path) {
  // Most paths are plain already, and there are millions of them.
  const bool plain =
      path.find("//") == std::string_view::npos && path.find("./") == std::string_view::npos && !path.ends_with('.');
  return plain ? std::string(path) : std::filesystem::path(path).lexically_normal().generic_string();
}

}  // namespace emotion
