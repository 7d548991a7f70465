#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/import_published.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {

/// Imports miniatures into a scratch folder, and keeps what the log says.
class ImportFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kInfo);
    set_log_file((folder_.path() / "log.txt").string());
  }
  void TearDown() override {
    set_log_file("");
    set_log_level(LogLevel::kOff);
  }
  static std::filesystem::path fixture(const std::string& name) {
    return std::filesystem::path(EMOTION_TEST_DATA) / "fixtures/import" / name;
  }
  Dataset import(const std::string& format, const std::string& name, const std::string& out = "out") {
    out_ = folder_.path() / out;
    request_.format = format;
    request_.root = fixture(name);
    request_.out = out_;
    import_published(request_);
    return Dataset::open(out_);
  }
  /// The error of an import, which must leave no data set.
  std::string import_error(const std::string& format, const std::filesystem::path& root) {
    request_.format = format;
    request_.root = root;
    request_.out = out_;
    const std::string text = error_of<Error>([&] { import_published(request_); });
    EXPECT_FALSE(std::filesystem::exists(out_ / "dataset.yaml"));
    return text;
  }
  /// `image label label ..` of a split's samples, in manifest order.
  static std::vector<std::string> lines(const Dataset& dataset, const std::string& split) {
    const Manifest manifest = Manifest::open(dataset, split);
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      lines.emplace_back(manifest[i].image);
      for (const auto label : manifest[i].labels) lines.back() += " " + dataset.classes[label];
    }
    return lines;
  }
  /// Every split's samples by image: `label .. votes class count ..`.
  static std::map<std::string, std::string> rows(const Dataset& dataset) {
    std::map<std::string, std::string> rows;
    for (const auto& [split, file] : dataset.splits) {
      const Manifest manifest = Manifest::open(dataset, split);
      for (std::size_t i = 0; i < manifest.size(); ++i) {
        std::string text;
        for (const auto label : manifest[i].labels) text += (text.empty() ? "" : " ") + dataset.classes[label];
        std::map<std::uint32_t, int> votes;
        for (const auto vote : manifest[i].votes) ++votes[vote];
        if (!votes.empty()) text += " votes";
        for (const auto& [vote, count] : votes) text += " " + dataset.classes[vote] + " " + std::to_string(count);
        rows[std::string(manifest[i].image)] = text;
      }
    }
    return rows;
  }
  std::string text_of(const std::string& name) const { return read_file(out_ / name); }
  std::string log() const { return read_file(folder_.path() / "log.txt"); }

  ScratchFolder folder_;
  std::filesystem::path out_ = folder_.path() / "out";
  PublishedImport request_;
};

}  // namespace emotion
