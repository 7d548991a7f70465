#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "../support/small_files.h"
#include "emotion/data/import_plain.h"
#include "emotion/data/pack.h"
#include "emotion/data/split.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"
#include "import_support.h"

// What fails leaves nothing that looks like a data set, or that is in the way of the next attempt.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(HalfWrittenTest, AFolderWithTooFewPicturesLeavesNothing) {
  const ScratchFolder folder;
  write_text(folder.path() / "photos/joy/1.jpg", "x");
  EXPECT_EQ(error_of<DataError>([&] { import_folder({.root = folder.path() / "photos", .out = folder.path() / "out"}); }),
            "split val would be empty; there are too few samples");
  EXPECT_FALSE(fs::exists(folder.path() / "out"));
}

TEST(HalfWrittenTest, AManifestThatIsThereIsNotReplaced) {
  const ScratchFolder folder;
  const fs::path set = folder.path() / "set";
  for (int i = 0; i < 5; ++i) write_text(set / fmt::format("images/joy/{}.jpg", i), "x");
  const std::string own = "{\"image\": \"images/joy/1.jpg\", \"keywords\": [\"sun\"]}\n";
  write_text(set / "val.jsonl", own);
  EXPECT_EQ(error_of<ConfigError>([&] { import_folder({.root = set / "images", .out = set}); }),
            (set / "val.jsonl").string() + ": there is such a file already; give another --out");
  EXPECT_EQ(read_file(set / "val.jsonl"), own);
  EXPECT_FALSE(fs::exists(set / "train.jsonl"));
  EXPECT_FALSE(fs::exists(set / "dataset.yaml"));
}

// dataset.yaml is UTF-8: the folder would not be found by what stands there.
TEST(HalfWrittenTest, AFolderWhoseNameIsNotUtf8IsRefused) {
  const ScratchFolder folder;
  const fs::path photos = folder.path() / "caf\xe9";
  for (int i = 0; i < 5; ++i) write_text(photos / fmt::format("joy/{}.jpg", i), "\xff\xd8\xff");
  const std::string error = (fs::canonical(folder.path()) / "caf\\xe9").string() +
                            ": the name is not UTF-8; rename it (convmv does that for whole folders)";
  EXPECT_EQ(error_of<DataError>([&] { import_folder({.root = photos, .out = folder.path() / "out"}); }), error);
  EXPECT_FALSE(fs::exists(folder.path() / "out"));
  EXPECT_NO_THROW(import_folder({.root = photos, .out = photos})) << "its image_root is a dot";
  const Dataset set = Dataset::open(photos);
  EXPECT_EQ(error_of<DataError>([&] { write_new_splits(set, {.ratio = "50/50"}, folder.path() / "out"); }), error);
  EXPECT_TRUE(fs::is_empty(folder.path() / "out"));
  EXPECT_NO_THROW(pack_dataset(set, {.out = folder.path() / "packed"})) << "it holds its pictures";
}

using HalfWrittenImport = ImportFixture;

TEST_F(HalfWrittenImport, AManifestThatIsThereIsNotReplacedByAPublishedSet) {
  out_ = folder_.path() / "out";
  write_text(out_ / "test.jsonl", "mine");
  EXPECT_EQ(import_error("fi", fixture("fi_folders")),
            (out_ / "test.jsonl").string() + ": there is such a file already; give another --out");
  EXPECT_EQ(read_file(out_ / "test.jsonl"), "mine");
  EXPECT_FALSE(fs::exists(out_ / "train.jsonl"));
}

TEST_F(HalfWrittenImport, ASplitOfAPublishedSetThatWouldBeEmptyWritesNoOther) {
  out_ = folder_.path() / "out";
  request_.split = "90/5/5";
  EXPECT_THAT(import_error("fi", fixture("fi_folders")), HasSubstr("would be empty; there are too few samples"));
  for (const auto& entry : fs::directory_iterator(out_)) EXPECT_NE(entry.path().extension(), ".jsonl") << entry.path();
}

TEST(HalfWrittenTest, SynthOnAFullDiskTakesItsPicturesAway) {
  const ScratchFolder folder;
  fs::create_directories(folder.path() / "mine");
  for (const char* name : {"new", "mine"}) {
    const SynthConfig config{.kind = "affect", .out = folder.path() / name, .count = 20, .size = 64, .workers = 2};
    {
      const SmallFiles limit(500);
      EXPECT_THAT(error_of<RunError>([&] { write_synth(config); }), HasSubstr("cannot be written; is the disk full?"));
    }
    EXPECT_EQ(fs::exists(config.out), config.out.filename() == "mine");  // a folder that was there stays, empty
    EXPECT_NO_THROW(write_synth(config));
  }
}

}  // namespace
}  // namespace emotion
