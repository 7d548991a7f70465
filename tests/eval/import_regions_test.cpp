#include "emotion/eval/import_regions.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/stimuli/region_file.h"

// The tables of tests/reference/make_region_fixtures.py hold images 7, 12 (without a region) and 999.
namespace emotion {
namespace {

namespace fs = std::filesystem;

class ImportRegionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kError);
    make({"a/COCO_val2014_000000000007.jpg", "other.jpg"}, {"12.jpg"});
  }
  void make(const std::vector<std::string>& train, const std::vector<std::string>& test) {
    write_text(root() / "dataset.yaml", "name: n\nclasses: [joy]\nsplits: {train: train.jsonl, test: test.jsonl}\n");
    for (const auto& [split, images] : {std::pair{"train", &train}, std::pair{"test", &test}}) {
      std::string text;
      for (const auto& image : *images) text += "{\"image\": \"" + image + "\", \"labels\": [\"joy\"]}\n";
      write_text(root() / (std::string(split) + ".jsonl"), text);
    }
  }
  const fs::path& root() const { return folder_.path(); }
  static fs::path table(const std::string& name) { return fs::path(EMOTION_TEST_DATA) / ".." / "stimuli/fixtures" / name; }
  Dataset dataset() const { return Dataset::open(root()); }
  std::string error(const RegionImportOptions& options) {
    return error_of<Error>([&] { import_regions(dataset(), options); });
  }

  ScratchFolder folder_;
};

TEST_F(ImportRegionsTest, ATableGoesToTheImagesItNames) {
  const RegionImportSummary summary = import_regions(dataset(), {.from = table("caffe.tsv"), .top = 2});
  EXPECT_EQ(summary.images, 3U);
  EXPECT_EQ(summary.matched, 2U);
  EXPECT_EQ(summary.foreign, 1U);
  const Manifest train = Manifest::open(dataset(), "train"), test = Manifest::open(dataset(), "test");
  EXPECT_EQ(train[0].regions, "regions/a/COCO_val2014_000000000007.jpg.safetensors");
  EXPECT_TRUE(train[1].regions.empty());
  EXPECT_EQ(train[0].labels.size(), 1U);
  const RegionFile regions = read_region_file(root() / train[0].regions, 5);
  EXPECT_EQ(regions.boxes.size(0), 2);
  EXPECT_EQ(regions.features[1][0].item<float>(), 0.625F);
  EXPECT_EQ(read_region_file(root() / test[0].regions).boxes.size(0), 0);
}

TEST_F(ImportRegionsTest, NamesOfClassesAndAFolderOfNpz) {
  import_regions(dataset(), {.from = table("lxmert.tsv"), .classes = {"sky", "tree", "dog"}, .attributes = {"blue", "tall"}});
  const RegionFile regions = read_region_file(root() / Manifest::open(dataset(), "train")[0].regions);
  EXPECT_EQ(regions.classes[static_cast<std::size_t>(regions.labels[0].item<std::int64_t>())], "sky");
  EXPECT_EQ(regions.attribute_names.size(), 2U);
  const fs::path file = table("lxmert.tsv");
  EXPECT_EQ(error({.from = file, .classes = {"sky", "tree"}}),
            file.string() + ": image 7: objects_id is 2, and there are 2 names");
  const fs::path negative = root() / "negative.tsv";  // -1, 0.5, 0, 0.5, one box 4 0 5 10
  write_text(negative, "7\t20\t9\t//////////8=\tAAAAPw==\tAAAAAAAAAAA=\tAAAAPw==\t1\tAACAQAAAAAAAAKBAAAAgQQ==\tAAAAAA==\n");
  EXPECT_EQ(error({.from = negative}), negative.string() + ": image 7: objects_id is -1; ids count from 0");
  fs::create_directories(root() / "npz");
  fs::copy_file(table("7.jpg.npz"), root() / "npz/7.jpg.npz");
  EXPECT_EQ(import_regions(dataset(), {.from = root() / "npz"}).matched, 1U);
}

TEST_F(ImportRegionsTest, WhatDoesNotFitIsNamed) {
  const fs::path file = table("caffe.tsv");
  make({"other.jpg"}, {"another.jpg"});
  EXPECT_EQ(error({.from = file}), file.string() + ": 3 entries, none of them for an image of " + root().string());
  const std::string both = " by their names; one of them needs another name, or --split a split without it";
  make({"a_7.jpg", "b_007.jpg"}, {"12.jpg"});
  EXPECT_EQ(error({.from = file}), file.string() + ": image 7 fits both a_7.jpg and b_007.jpg" + both);
  make({"7.jpg", "other.jpg"}, {"COCO_val2014_000000000007.jpg"});
  EXPECT_EQ(error({.from = file}), file.string() + ": image 7 fits both 7.jpg and COCO_val2014_000000000007.jpg" + both);
  EXPECT_EQ(import_regions(dataset(), {.from = file, .split = "train"}).matched, 1U);
  fs::create_directories(root() / "empty");
  EXPECT_EQ(error({.from = root() / "empty"}), (root() / "empty").string() + ": there is no .npz file in the folder");
}

constexpr const char* kBox = "\t9\t20\t1\tAACAQAAAAAAAAKBAAAAgQQ==\tAAAAAA==\n";  // 4 0 5 10

// A 2 that belongs to v2, or stands behind another number, is not the image's.
TEST_F(ImportRegionsTest, OnlyANumberThatIsTheNamesOwnCounts) {
  const fs::path file = root() / "a.tsv";
  const auto image = [&](const std::string& id) {
    write_text(file, id + kBox);
    import_regions(dataset(), {.from = file});
    std::string found;
    for (const char* split : {"train", "test"}) {
      const Manifest manifest = Manifest::open(dataset(), split);
      for (std::size_t i = 0; i < manifest.size(); ++i) {
        if (!manifest[i].regions.empty()) found += std::string(manifest[i].image) + " ";
      }
    }
    return found;
  };
  const std::vector<std::string> train{"img_12_v2.jpg", "img_3_4.jpg", "2017-05.jpg"},
      test{"joy_0042.jpg", "s.tar#x/000009.jpg", "0.jpg"};
  for (const auto& [id, wanted] : {std::pair{"img_12_v2", "img_12_v2.jpg "},
                                   {"42", "joy_0042.jpg "},
                                   {"0042", "joy_0042.jpg "},
                                   {"joy_0042", "joy_0042.jpg "},
                                   {"9", "s.tar#x/000009.jpg "},
                                   {"00", "0.jpg "},
                                   {"2017-05", "2017-05.jpg "}}) {
    make(train, test);
    EXPECT_EQ(image(id), wanted) << id;
  }
  make(train, test);
  for (const char* id : {"2", "12", "3", "4", "5", "2017", "joy_42", "x_42"}) {
    write_text(file, std::string(id) + kBox);
    EXPECT_EQ(error({.from = file}), file.string() + ": 1 entries, none of them for an image of " + root().string()) << id;
  }
  write_text(file, "42" + std::string(kBox) + "joy_0042" + kBox);
  EXPECT_EQ(error({.from = file}), file.string() + ": image joy_0042 fits joy_0042.jpg, as image 42 before it does");
}

// One picture of several samples, boxes or splits, has one file of regions.
TEST_F(ImportRegionsTest, EverySampleOfAPictureGetsItsRegions) {
  make({"7.jpg"}, {"7.jpg"});
  write_text(root() / "train.jsonl",
             "{\"image\": \"7.jpg\", \"box\": [0, 0, 4, 4]}\n{\"image\": \"other.jpg\"}\n"
             "{\"image\": \"7.jpg\", \"box\": [4, 0, 4, 4]}\n");
  const RegionImportSummary summary = import_regions(dataset(), {.from = table("caffe.tsv")});
  EXPECT_EQ(summary.matched, 3U);
  EXPECT_EQ(Manifest::open(dataset(), "train")[2].regions, "regions/7.jpg.safetensors");
  EXPECT_EQ(Manifest::open(dataset(), "test")[0].regions, "regions/7.jpg.safetensors");
}

// 16 zero bytes are a box of the first pixel; 3 x 2 pixels of a picture end before a box that begins at 4.
TEST_F(ImportRegionsTest, BoxesOutsideThePictureAndOtherWidths) {
  const fs::path file = root() / "a.tsv";
  write_text(file, "7\t3\t2\t1\tAACAQAAAAAAAAKBAAAAgQQ==\tAAAAAA==\n");  // 4 0 5 10
  EXPECT_EQ(error({.from = file}), file.string() + ": image 7: a box lies outside the picture of 3 x 2 pixels, or is inside out");
  write_text(file, "7\t9\t20\t1\tAACAQAAAAAAAAKBAAAAgQQ==\tAAAAAA==\n12\t9\t20\t1\tAACAQAAAAAAAAKBAAAAgQQ==\tAAAAAAAAAAA=\n");
  EXPECT_EQ(
      error({.from = file}),
      file.string() + ": image 12: features are 2 wide, those before are 1; the regions of a data set come from one detector");
}

}  // namespace
}  // namespace emotion
