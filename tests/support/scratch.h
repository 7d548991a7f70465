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

/// The same without the path it begins with, and the character behind that.
template <class Error, class Action>
std::string error_without(const std::filesystem::path& prefix, Action&& action) {
  const std::string text = error_of<Error>(action), path = prefix.string();
  return text.starts_with(path) ? text.substr(path.size() + 1) : text;
}

}  // namespace emotion
