#include "emotion/data/split_content.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SplitContentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kOff);
    yaml("");
    lines("\"awe\"");
    write_text(set_ / "0.png", "a picture");
    write_text(set_ / "1.png", "another picture");
    write_text(set_ / "faces/0.png", "a face");
    write_text(set_ / "regions/0.safetensors", "regions of one detector");
  }
  void yaml(const std::string& polarity) const {
    write_text(set_ / "dataset.yaml", "classes: [awe, fear]\nsplits: {train: train.jsonl, test: test.jsonl}\n" + polarity);
  }
  void lines(const std::string& label, const std::string& stimuli = "") const {
    write_text(set_ / "train.jsonl", "{\"image\": \"0.png\", \"labels\": [" + label + "]" + stimuli +
                                         "}\n{\"image\": \"1.png\", \"labels\": [\"fear\"], \"keywords\": [\"night\"]}\n");
    write_text(set_ / "test.jsonl", "{\"image\": \"1.png\", \"labels\": [\"awe\"]}\n");
  }
  Contents contents(SplitParts parts = SplitParts::kStimuli) const {
    Contents now;
    add_split(now, Dataset::open(set_), "train", parts);
    return now;
  }
  /// What is otherwise than when `before` was taken, without the folder.
  std::vector<std::string> changed(const Contents& before, SplitParts parts = SplitParts::kStimuli) const {
    write_contents(file_, before);
    auto names = changed_contents(file_, contents(parts));
    for (auto& name : names) name.resize(name.find(" of " + set_.string()));
    return names;
  }

  ScratchFolder folder_;
  fs::path set_ = folder_.path() / "set", file_ = folder_.path() / "inputs.json";
};

TEST_F(SplitContentTest, ACopyOfTheFilesIsTheSame) {
  const Contents before = contents();
  SetUp();  // with other times
  fs::last_write_time(set_ / "0.png", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_THAT(changed(before), IsEmpty());
  EXPECT_EQ(before.size(), 2U) << "classes and lines";
  write_text(set_ / "test.jsonl", "{\"image\": \"0.png\"}\n");
  EXPECT_THAT(changed(before), IsEmpty()) << "another split";
}

TEST_F(SplitContentTest, OtherLinesAndPicturesAreTold) {
  const Contents before = contents(SplitParts::kSamples);
  lines("\"fear\"");
  EXPECT_THAT(changed(before), ElementsAre("split train"));
  lines("\"awe\"");
  EXPECT_THAT(changed(before), IsEmpty());
  write_text(set_ / "1.png", "another PICTURE");
  EXPECT_THAT(changed(before), ElementsAre("split train"));
  fs::remove(set_ / "1.png");
  EXPECT_THAT(changed(before), ElementsAre("split train"));
}

// What is found or said for the first time was not made use of before.
TEST_F(SplitContentTest, StimuliAndPolarityAreOtherInputs) {
  const Contents plain = contents();
  lines("\"awe\"", R"(, "face": "faces/0.png", "regions": "regions/0.safetensors")");
  yaml("polarity: {positive: [awe], negative: [fear]}\n");
  EXPECT_THAT(changed(plain), IsEmpty());
  const Contents samples = contents(SplitParts::kSamples), all = contents();
  EXPECT_EQ(samples.size(), 2U);
  EXPECT_EQ(all.size(), 4U);
  write_text(set_ / "regions/0.safetensors", "regions of the next one");
  EXPECT_THAT(changed(all), ElementsAre("faces and regions of split train"));
  EXPECT_THAT(changed(samples, SplitParts::kSamples), IsEmpty());
  yaml("polarity: {positive: [fear], negative: [awe]}\n");
  EXPECT_THAT(changed(all), ElementsAre("faces and regions of split train", "polarity"));
  yaml("");
  EXPECT_THAT(changed(all), ElementsAre("faces and regions of split train", "polarity"));
}

TEST_F(SplitContentTest, ANoteThatCannotBeReadIsNamed) {
  EXPECT_THAT(changed_contents(file_, contents()), IsEmpty()) << "of an older version";
  write_text(file_, "{");
  EXPECT_THAT(changed_contents(file_, contents()), ElementsAre(file_.string()));
}

}  // namespace
}  // namespace emotion
