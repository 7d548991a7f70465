#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "process.h"

namespace emotion {

using Words = std::vector<std::string>;

inline Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The words with the first, one of the project's commands, by its path.
inline Words command_words(Words words) {
  words.at(0) = std::string(EMOTION_BIN) + "/" + words.at(0);
  return words;
}

/// Runs one of the project's commands in a folder: {"emotion_train", "--config", ..}.
inline Process::Result command(const std::filesystem::path& folder, Words words) {
  return Process(folder, command_words(std::move(words))).wait();
}

/// What a command says that must fail with `code`: one line on stderr, nothing on stdout.
inline std::string error_of_command(const std::filesystem::path& folder, int code, const Words& words) {
  const Process::Result result = command(folder, words);
  EXPECT_EQ(result.code, code) << result.errors;
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  return result.errors;
}

/// Runs a line of the shell in a folder; $B is where the project's commands are.
inline Process::Result shell(const std::filesystem::path& folder, const std::string& line) {
  return Process(folder, {"/bin/bash", "-c", "B='" + std::string(EMOTION_BIN) + "'; " + line}).wait();
}

}  // namespace emotion
