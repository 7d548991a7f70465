#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "emotion/io/file.h"

namespace emotion {

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

/// The text of the error that `action` throws, or "no error".
template <class Error, class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace emotion
