#include "emotion/eval/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

class LabelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_.path() / "dataset.yaml", "name: words\nclasses: [any]\nsplits: {all: all.jsonl}\n");
    write_text(folder_.path() / "all.jsonl",
               "{\"image\": \"a.png\", \"keywords\": [\"glad\"]}\n{\"image\": \"b.png\", \"keywords\": [\"gloomy\", \"sky\"]}\n");
  }
  std::vector<std::vector<std::uint32_t>> labels(const std::string& targets) const {
    write_text(folder_.path() / "targets.tsv", targets);
    const Manifest manifest = Manifest::open(Dataset::open(folder_.path()), "all");
    return true_labels(manifest, {"high", "low"}, (folder_.path() / "targets.tsv").string());
  }
  ScratchFolder folder_;
};

// The ids are the network's, whatever order the file has by now.
TEST_F(LabelsTest, AFileOfTargetsIsReadByTheNamesOfItsClasses) {
  const std::vector<std::vector<std::uint32_t>> expected{{0}, {1}};
  EXPECT_EQ(labels("glad\thigh\ngloomy\tlow\n"), expected);
  EXPECT_EQ(labels("gloomy\tlow\nglad\thigh\n"), expected);
}

TEST_F(LabelsTest, AClassTheNetworkLacksIsNamed) {
  try {
    labels("sky\tup\nglad\thigh\ngloomy\tlow\n");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::EndsWith("targets.tsv: the network has no class 'up'"));
  }
}

// One class against the rest: every other label is the second class. Samples that nothing is known of have none.
TEST_F(LabelsTest, WhatIsKnownOfASplit) {
  write_text(folder_.path() / "dataset.yaml", "name: words\nclasses: [fear, joy, sad]\nsplits: {all: all.jsonl}\n");
  write_text(folder_.path() / "all.jsonl",
             "{\"image\": \"a.png\", \"labels\": [\"sad\"]}\n{\"image\": \"b.png\"}\n"
             "{\"image\": \"c.png\", \"labels\": [\"joy\", \"fear\"]}\n");
  const Manifest manifest = Manifest::open(Dataset::open(folder_.path()), "all");
  const auto known = [&](const std::vector<std::string>& classes, const std::string& spec) {
    return known_labels(manifest, classes, spec);
  };
  using Labels = std::vector<std::vector<std::uint32_t>>;
  EXPECT_EQ(known({"joy", "not joy"}, "one_vs_all:joy"), (Labels{{1}, {}, {0, 1}}));
  EXPECT_EQ(known({"joy", "sad"}, "labels"), (Labels{{1}, {}, {0}})) << "fear is none of the network's";
  const Labels none(3);
  EXPECT_EQ(known({"a", "b"}, "labels"), none);
  EXPECT_EQ(known({"awe", "not awe"}, "one_vs_all:awe"), none) << "no class of the data set";
  EXPECT_EQ(known({"high", "low"}, (folder_.path() / "gone.tsv").string()), none);
}

}  // namespace
}  // namespace emotion
