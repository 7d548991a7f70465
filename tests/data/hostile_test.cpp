// Tables and annotations made to hurt their reader: each is refused with its line and exit code 3 while no more than some
// megabytes can be had.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/data/import_published.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

constexpr std::uint64_t kMegabytes = 64;

class HostileDataTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  /// What an import says, the folder's name left out.
  std::string error(const std::string& format, std::uint64_t megabytes = kMegabytes) {
    std::string text = error_within(megabytes, [&] {
      PublishedImport request;
      request.format = format;
      request.root = root_;
      request.out = folder_.path() / "out";
      import_published(request);
    });
    const std::size_t at = text.find(root_.string());
    return at == std::string::npos ? text : text.erase(at, root_.string().size() + 1);
  }
  std::string csv(const std::string& text) {
    write_text(root_ / "training.csv", text);
    return error("affectnet");
  }

  ScratchFolder folder_;
  fs::path root_ = folder_.path() / "in";
};

TEST_F(HostileDataTest, TablesWithoutEnd) {
  EXPECT_EQ(csv("a.jpg,1,1,1,1,\"0;0,1,0,0\n"), "3: training.csv:1: a quote is not closed");
  EXPECT_EQ(csv("a.jpg,\"" + std::string(8 << 20, 'x')),
            "3: training.csv:1: a field of more than 1048576 bytes; is a quote not closed?");
  EXPECT_EQ(csv(std::string(8 << 20, ',')), "3: training.csv:1: more than 10000 fields");
  // One field of 1 GB that takes no place on the disk.
  write_text(root_ / "training.csv", "a.jpg\n");
  fs::resize_file(root_ / "training.csv", 1 << 30);
  EXPECT_EQ(error("affectnet", 1024 + kMegabytes), "3: training.csv:1: 1 fields, 9 are wanted");
}

/// MATLAB's level 5: a header of 128 bytes, then elements of a type, a size and that many bytes.
std::string element(std::uint32_t type, const std::string& content) {
  const auto size = static_cast<std::uint32_t>(content.size());
  return std::string(reinterpret_cast<const char*>(&type), 4) + std::string(reinterpret_cast<const char*>(&size), 4) + content +
         std::string((8 - content.size() % 8) % 8, '\0');
}
std::string int32s(std::initializer_list<std::int32_t> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * 4};
}
std::string matrix(std::int32_t kind, std::initializer_list<std::int32_t> lengths, const std::string& name,
                   const std::string& content) {
  return element(14, element(6, int32s({kind, 0})) + element(5, int32s(lengths)) + element(1, name) + content);
}
std::string mat(const std::string& elements) {
  std::string header = "MATLAB 5.0 MAT-file";
  header.resize(124, ' ');
  return header + "\0\1IM"s + elements;
}

TEST_F(HostileDataTest, MatricesOfNothing) {
  fs::create_directories(root_ / "mscoco/images");
  const auto emotic = [&](const std::string& elements) {
    write_text(root_ / "Annotations.mat", mat(elements));
    return error("emotic");
  };
  const std::int32_t kCell = 1, kStruct = 2, kDouble = 6;
  const std::string fields = element(5, int32s({32})) + element(1, "filename"s + std::string(24, '\0'));
  EXPECT_EQ(emotic(""), "3: Annotations.mat: neither train nor val nor test is in it; is it damaged?");
  EXPECT_EQ(emotic(matrix(kDouble, {1, 1}, "train", element(9, std::string(8, '\0')))),
            "3: Annotations.mat: train is no array of structs");
  // Lengths that their content does not have.
  const auto is_refused = [](const std::string& text) { return text.starts_with("3: "); };
  EXPECT_PRED1(is_refused, emotic(matrix(kStruct, {1, 1 << 30}, "train", fields)));
  EXPECT_PRED1(is_refused, emotic(matrix(kStruct, {1 << 30, 1 << 30}, "train", fields)));
  EXPECT_PRED1(is_refused, emotic(matrix(kStruct, {-1, -1}, "train", fields)));
  EXPECT_PRED1(is_refused, emotic(matrix(kStruct, {1, 1}, "train", element(5, int32s({0x7fffffff})) + element(1, "a"))));
  EXPECT_PRED1(is_refused, emotic(matrix(kCell, {1 << 30, 1 << 30}, "train", "")));
  std::string nested = matrix(kDouble, {1, 1}, "", element(9, std::string(8, '\0')));
  for (int i = 0; i < 5000; ++i) nested = matrix(kCell, {1, 1}, "", nested);
  EXPECT_PRED1(is_refused, emotic(matrix(kStruct, {1, 1}, "train", fields + nested)));
}

}  // namespace
}  // namespace emotion
