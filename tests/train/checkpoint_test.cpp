#include "emotion/train/checkpoint.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emotion/error.h"
#include "trainer_support.h"

namespace emotion {
namespace {

using ::testing::HasSubstr;

class CheckpointTest : public TrainerTest {
 protected:
  void save(std::int64_t step, std::int64_t best, int keep) const {
    StateDict state;
    state.add("step", at::full({1}, static_cast<double>(step)));
    CheckpointFolder(folder_.path()).save(step, state, state, best, keep);
  }
  fs::path place(const std::string& name) const { return folder_.path() / "checkpoints" / name; }
  /// The step that a link leads to.
  double step_of(const std::string& link) const {
    return read_safetensors(place(link) / "model.safetensors").entries.at(0).tensor.item<double>();
  }
};

// A kill between a checkpoint's appearance and the moving of `last` leaves a step that the resumed run has not reached yet.
TEST_F(CheckpointTest, AStepLeftByAKillGoesBeforeWhatIsSaved) {
  save(100, 100, 1);
  save(200, 100, 1);
  fs::copy(place("step-200"), place("step-300"), fs::copy_options::recursive);
  save(250, 100, 1);
  EXPECT_EQ(step_of("last"), 250);
  EXPECT_EQ(step_of("best"), 100);
  EXPECT_FALSE(fs::exists(place("step-200")));
  EXPECT_FALSE(fs::exists(place("step-300")));
}

TEST_F(CheckpointTest, TheBestStaysHoweverOldItIs) {
  for (const std::int64_t step : {10, 20, 30, 40}) save(step, 10, 2);
  EXPECT_EQ(step_of("last"), 40);
  EXPECT_EQ(step_of("best"), 10);
  EXPECT_TRUE(fs::exists(place("step-30")));
  EXPECT_FALSE(fs::exists(place("step-20")));
}

TEST_F(CheckpointTest, ABestThatAKillLeftIsNotTheResumedRuns) {
  save(100, -1, 2);
  fs::copy(place("step-100"), place("step-300"), fs::copy_options::recursive);
  fs::create_directory_symlink("step-300", place("best"));
  save(150, -1, 2);
  EXPECT_FALSE(fs::exists(fs::symlink_status(place("best"))));
  EXPECT_EQ(step_of("last"), 150);
}

TEST_F(CheckpointTest, ALastThatPointsAtNothingIsNoFreshStart) {
  EXPECT_FALSE(CheckpointFolder(folder_.path()).last());
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4"}).code, 0);
  fs::remove_all(folder_.path() / "run/checkpoints/step-4");
  const Result result = run(config(), "run", {"--resume"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.errors,
              HasSubstr("checkpoints/last: points at step-4, which is not there; make it point at another checkpoint"));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
}

TEST_F(CheckpointTest, ATrainingBeginsWithoutHeadsOfOtherClasses) {
  using Names = std::vector<std::string>;
  const auto file = folder_.path() / "init.safetensors";
  StateDict state;
  const Names names{"backbone.conv1.weight", "classifier.weight", "extra_classifier.bias",
                    "roi_heads.box_predictor.cls_score.bias"};
  for (const auto& name : names) state.add(name, at::full({1}, 1.0));
  const auto read = [&](const Names& classes, const Names& extra) {
    Names left;
    for (const auto& entry : read_init(file, classes, extra).entries) left.push_back(entry.name);
    return left;
  };
  write_safetensors(file, state);
  EXPECT_EQ(read({"awe", "joy"}, {}), names) << "a file that names no classes";
  ModelInfo info{
      .task = "emotionnet", .config = {}, .classes = {"awe", "joy"}, .extra_classes = {"fear", "calm"}, .vocabulary = {}};
  state.metadata = info.to_metadata();
  write_safetensors(file, state);
  EXPECT_EQ(read({"awe", "joy"}, {"fear", "calm"}), names);
  EXPECT_EQ(read({"awe", "joy"}, {"calm", "fear"}), (Names{names[0], names[1], names[3]})) << "another order";
  EXPECT_EQ(read({"awe", "fear"}, {"fear", "calm"}), (Names{names[0], names[2]})) << "another name";
}

TEST_F(CheckpointTest, WhatAKillLeftOfASaveGoes) {
  write_text(place(".new-step-7/model.safetensors"), "half");
  save(100, 100, 2);
  EXPECT_FALSE(fs::exists(place(".new-step-7")));
  EXPECT_EQ(step_of("last"), 100);
}

// As on NFS, which cannot exchange two names.
TEST_F(CheckpointTest, AStepIsReplacedInTwoMovesToo) {
  for (const bool at_once : {true, false}) {
    save(100, 100, 2);
    write_text(place(".new-step-100/fresh"), "");
    replace_folder(place(".new-step-100"), place("step-100"), at_once);
    EXPECT_TRUE(fs::exists(place("last/fresh"))) << at_once;
    EXPECT_FALSE(fs::exists(place("last/model.safetensors"))) << at_once;
    EXPECT_EQ(std::distance(fs::directory_iterator(place("")), fs::directory_iterator()), 3) << "step-100, best and last";
  }
  save(100, 100, 2);
  EXPECT_EQ(error_of<RunError>([&] { replace_folder(place(".new-gone"), place("step-100"), false); }),
            place(".new-gone").string() + ": cannot be renamed: No such file or directory");
  EXPECT_EQ(step_of("last"), 100);
}

// A kill between the two moves leaves the old folder under its other name, one after them leaves both.
TEST_F(CheckpointTest, AStepThatAKillLeftUnderItsOtherNameIsPutBack) {
  const CheckpointFolder folder(folder_.path());
  save(100, 100, 2);
  fs::rename(place("step-100"), place(".old-step-100"));
  EXPECT_EQ(folder.last(), fs::canonical(folder_.path()) / "checkpoints/step-100");
  EXPECT_EQ(step_of("last"), 100);
  fs::copy(place("step-100"), place(".old-step-100"), fs::copy_options::recursive);
  write_text(place("step-100/fresh"), "");
  EXPECT_TRUE(folder.last());
  EXPECT_TRUE(fs::exists(place("last/fresh")));
  EXPECT_FALSE(fs::exists(place(".old-step-100")));
  fs::rename(place("step-100"), place(".old-step-100"));
  save(200, 100, 2);
  EXPECT_EQ(step_of("best"), 100);
  EXPECT_EQ(step_of("last"), 200);
}

}  // namespace
}  // namespace emotion
