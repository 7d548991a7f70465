#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "../support/http_server.h"
#include "../support/scratch.h"
#include "emotion/data/fetch.h"
#include "emotion/log.h"

namespace emotion {

/// Fetches into a scratch folder, from a server within the test.
class FetchFixture : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  static std::string picture() { return read_file(std::filesystem::path(EMOTION_TEST_DATA) / "fixtures/odd420.jpg"); }
  FetchConfig config() const {
    return {
        .out = out(), .timeout = 20, .retries = 2, .first_wait = 0.01, .longest_wait = 5, .allow_private = true, .workers = 1};
  }
  std::filesystem::path out() const { return folder_.path() / "out"; }
  std::string failures() const {
    return std::filesystem::exists(out() / "failures.tsv") ? read_file(out() / "failures.tsv") : "";
  }
  /// The reason written for a path, with its kind.
  std::string failure(const std::string& path) const {
    const std::string all = failures();
    const std::size_t at = all.find(path + "\t");
    if (at == std::string::npos) return "none";
    const std::size_t kind = all.find('\t', all.find('\t', at) + 1) + 1;
    std::string text = all.substr(kind, all.find('\n', kind) - kind);
    text[text.find('\t')] = ' ';
    return text;
  }
  ScratchFolder folder_;
};

}  // namespace emotion
