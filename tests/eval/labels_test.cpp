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

}  // namespace
}  // namespace emotion
