#pragma once

#include <filesystem>
#include <system_error>

namespace emotion {

/// What is replaced when a file is written: where a link leads, if that is there; else `file` itself. Not for terminals and
/// pipes, whose links in /proc lead to no path.
inline std::filesystem::path link_target(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::is_symlink(file, error) && std::filesystem::exists(file, error) ? std::filesystem::canonical(file)
                                                                                          : file;
}

}  // namespace emotion
