// Many shards, few descriptors; indexes that pack leaves beside its shards.
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "../support/open_files.h"
#include "../support/scratch.h"
#include "emotion/data/pack.h"
#include "emotion/io/file.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"
#include "emotion/random.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

std::size_t descriptors_of(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    count += fs::read_symlink(entry, closed).string().starts_with(folder.string());
  }
  return count;
}

std::vector<std::string> lines_of(const std::vector<TarMember>& members) {
  std::vector<std::string> lines;
  for (const auto& member : members) lines.push_back(fmt::format("{} {} {}", member.name, member.offset, member.size));
  return lines;
}

// Half of 80 descriptors are for the shards. One that is opened again looks neither for an index nor for headers.
TEST(Shards, OfMoreThanCanBeOpenEachIsIndexedOnce) {
  const ScratchFolder folder;
  const OpenFileLimit limit(80);
  constexpr std::uint64_t kShards = 100, kMembers = 7;
  const auto shard = [&](std::uint64_t k) { return (folder.path() / fmt::format("{:03}.tar", k)).string(); };
  const auto content = [](std::uint64_t k, std::uint64_t i) { return fmt::format("member {} of shard {}", i, k); };
  for (std::uint64_t k = 0; k < kShards; ++k) {
    TarWriter writer(shard(k));
    for (std::uint64_t i = kMembers; i-- > 0;) writer.add(fmt::format("m{}.txt", i), content(k, i));
    writer.close();
    EXPECT_EQ(read_file_or_member(shard(k) + "#m0.txt"), content(k, 0));
    EXPECT_TRUE(fs::remove(shard(k) + ".index"));
  }
  Random random{5};
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t k = random.below(kShards), member = random.below(kMembers);
    ASSERT_EQ(read_file_or_member(fmt::format("{}#m{}.txt", shard(k), member)), content(k, member));
  }
  EXPECT_EQ(descriptors_of(folder.path()), 40U);
  for (std::uint64_t k = 0; k < kShards; ++k) EXPECT_FALSE(fs::exists(shard(k) + ".index")) << k;
}

// The one that is opened again may be another: it has its own members.
TEST(Shards, OneThatWasReplacedWhileItWasClosedIsIndexedAnew) {
  const ScratchFolder folder;
  const OpenFileLimit limit(80);  // forty at once
  const auto shard = [&](int k) { return (folder.path() / fmt::format("{}.tar", k)).string(); };
  const auto write = [&](int k, const std::string& name, const std::string& text) {
    TarWriter writer(shard(k));
    writer.add(name, text);
    writer.close();
  };
  for (int k = 0; k < 41; ++k) {
    write(k, "a.txt", "before");
    EXPECT_EQ(read_file_or_member(shard(k) + "#a.txt"), "before");
  }
  write(0, "b.txt", std::string(20000, 'b'));
  EXPECT_EQ(read_file_or_member(shard(0) + "#b.txt"), std::string(20000, 'b'));
}

TEST(Shards, PackWritesTheIndexThatAReaderWouldMake) {
  set_log_level(LogLevel::kOff);
  const ScratchFolder folder;
  std::string lines;
  fs::create_directories(folder.path() / "data/img");
  for (int i = 0; i < 5; ++i) {
    cv::imwrite((folder.path() / fmt::format("data/img/{}.png", i)).string(), cv::Mat(4 + i, 4, CV_8UC3, cv::Scalar(i, 1, 2)));
    lines += fmt::format("{{\"image\": \"img/{}.png\", \"labels\": [0]}}\n", i);
  }
  write_text(folder.path() / "data/dataset.yaml", "name: t\nclasses: [awe]\nsplits: {train: train.jsonl}\n");
  write_text(folder.path() / "data/train.jsonl", lines);
  pack_dataset(Dataset::open(folder.path() / "data"), {.out = folder.path() / "packed", .samples = 2});
  for (int k = 0; k < 3; ++k) {
    const fs::path shard = folder.path() / fmt::format("packed/train-{:06}.tar", k), index = shard.string() + ".index";
    ASSERT_TRUE(fs::exists(index)) << k;
    const std::string written = read_file(index);
    EXPECT_EQ(lines_of(shard_members(shard)), lines_of(read_tar_index(shard)));
    fs::remove(index);
    shard_members(shard);
    EXPECT_EQ(read_file(index), written);
  }
}

TEST(Shards, AnIndexThatIsWrittenIsOfTheShardThatIsThere) {
  const ScratchFolder folder;
  const fs::path shard = folder.path() / "a.tar";
  for (const std::string text : {"one", "and two"}) {
    TarWriter writer(shard);
    writer.add("a.txt", text);
    writer.close();
    write_shard_index(shard, writer.members());
    EXPECT_EQ(read_file_or_member(shard.string() + "#a.txt"), text);
  }
}

// Python's tarfile writes a `?` for a letter that is not ASCII, and the name into a pax record: the last member's here.
TEST(Shards, AnIndexOfNamesInPaxRecordsIsUsed) {
  const ScratchFolder folder;
  const fs::path shard = folder.path() / "a.tar", index = folder.path() / "a.tar.index";
  fs::copy_file(fs::path(EMOTION_TEST_DATA) / "fixtures/shards/long-pax.tar.sample", shard);
  const auto members = lines_of(shard_members(shard));
  const auto written = fs::last_write_time(index) - std::chrono::minutes(1);
  fs::last_write_time(index, written);
  EXPECT_EQ(lines_of(shard_members(shard)), members);
  EXPECT_EQ(fs::last_write_time(index), written) << "made anew";
}

}  // namespace
}  // namespace emotion
