#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "../support/scratch.h"
#include "emotion/data/image.h"
#include "emotion/data/manifest.h"
#include "emotion/log.h"

namespace emotion {

/// The same pixels as tests/reference/make_hash_goldens.py makes.
inline Image formula_picture(int kind, std::int64_t width, std::int64_t height) {
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        std::int64_t value = 0;
        const std::int64_t dx = x - width / 3, dy = y - height / 2;
        switch (kind) {
          case 0: value = (x * 7919 + y * 104729 + c * 1299709) % 65537 * 31 % 256; break;
          case 1: value = (x * 255 / width * (c + 1) + y * 255 / height * (3 - c)) / 4; break;
          case 2: value = (dx * dx + dy * dy) * 4 / (width + height) % 256; break;
          case 3: value = 40 * (c + 1); break;
          case 4: value = x * 13 / (1 + width / 40) % 256; break;
          case 5: value = (std::abs(2 * x + 1 - width) * 17 + y * 29 + c * 5) % 256; break;
          default: value = x * 2 < width ? 30 : 220;
        }
        image.pixels.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return image;
}

inline void write_png(const std::filesystem::path& file, const Image& image) {
  std::filesystem::create_directories(file.parent_path());
  cv::Mat bgr;
  cv::cvtColor(cv::Mat(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data())), bgr,
               cv::COLOR_RGB2BGR);
  cv::imwrite(file.string(), bgr);
}

/// A data set with the classes awe, fear and calm, and what is made of it.
class CurationFixture : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  Dataset dataset(const std::map<std::string, std::string>& splits) const {
    std::string yaml = "name: t\nclasses: [awe, fear, calm]\nsplits:\n";
    for (const auto& [split, lines] : splits) {
      yaml += fmt::format("  {0}: {0}.jsonl\n", split);
      write_text(root() / (split + ".jsonl"), lines);
    }
    write_text(root() / "dataset.yaml", yaml);
    return Dataset::open(root());
  }
  static std::string lines(int begin, int end, const char* format = "img/{}.png") {
    std::string text;
    for (int i = begin; i < end; ++i) text += "{\"image\": \"" + fmt::format(fmt::runtime(format), i) + "\"}\n";
    return text;
  }
  std::vector<std::string> images(const std::filesystem::path& data, const std::string& split) const {
    const Manifest manifest = Manifest::open(Dataset::open(data), split);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < manifest.size(); ++i) names.emplace_back(manifest[i].image);
    return names;
  }
  std::filesystem::path root() const { return folder_.path() / "data"; }
  std::filesystem::path out() const { return folder_.path() / "out"; }
  ScratchFolder folder_;
};

}  // namespace emotion
