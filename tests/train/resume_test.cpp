#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "emotion/log.h"
#include "emotion/train/trainer.h"
#include "trainer_support.h"

// A run that stops and goes on ends with the bits of one that never stopped, whatever its task and with any number of workers.
namespace emotion {
namespace {

struct Recipe {
  const char* name;
  const char* task;
  const char* split;
  const char* data;  // more keys of `data`
  const char* rest;  // the other groups; {0}: the tiny data, {1}: a trained TextCNN, {2}: how long a run is
};

constexpr const char* kPictures = ", resize: 36, size: 32, augment: random_resized_crop, flip: true";

const Recipe kRecipes[] = {
    {"Classifier", "classifier", "single", kPictures, "model: {{backbone: resnet18}}\ntrain: {{batch: 6, {2}}}\n"},
    {"Accumulating", "classifier", "single", kPictures,
     "model: {{backbone: resnet18}}\ntrain: {{batch: 3, accumulate: 2, {2}}}\n"},
    {"ShuffledWithinAWindow", "classifier", "single", ", resize: 36, size: 32, shuffle_window: 5",
     "model: {{backbone: resnet18}}\ntrain: {{batch: 6, {2}}}\n"},
    {"SoftLabels", "emotionnet", "train", kPictures,
     "model: {{backbone: resnet18, head: two_branch}}\ntext: {{word2vec: {0}/word2vec.txt, textcnn: {1}}}\n"
     "train: {{batch: 6, {2}}}\n"},
    {"Stimuli", "stimuli", "stimuli", "",
     "model: {{branches: [semantic, expression], semantic: {{regions: 4, steps: 2, attention: 8}}}}\n"
     "train: {{batch: 6, {2}}}\n"},
};

class ResumeTest : public ::testing::TestWithParam<Recipe> {
 protected:
  void SetUp() override { set_log_level(LogLevel::kError); }
  fs::path path(const std::string& name) const { return folder_.path() / name; }

  void train_textcnn() const {
    write_text(path("textcnn.yaml"),
               fmt::format("task: textcnn\noutput: {}\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}}}\n"
                           "train: {{batch: 4, max_steps: 4}}\n",
                           path("textcnn").string(), kTiny));
    train(load_run_config(path("textcnn.yaml"), {}), false);
  }
  /// Goes on to step `steps`, three of which are an epoch.
  void go(const std::string& name, int workers, int steps, bool resume) const {
    train(load_run_config(path("run.yaml"), {"output=" + path(name).string(), fmt::format("data.workers={}", workers),
                                             fmt::format("train.max_steps={}", steps)}),
          resume);
  }
  StateDict state(const std::string& name) const { return read_safetensors(path(name) / "checkpoints/last/state.safetensors"); }

  ScratchFolder folder_;
};

TEST_P(ResumeTest, EndsWithTheBitsOfARunThatNeverStopped) {
  const Recipe& run = GetParam();
  if (std::string(run.rest).find("textcnn") != std::string::npos) train_textcnn();
  write_text(path("run.yaml"),
             fmt::format("task: {}\nseed: 7\ndevice: cpu\ndata: {{train: {{dataset: {}, split: {}}}{}}}\n", run.task, kTiny,
                         run.split, run.data) +
                 fmt::format(fmt::runtime(run.rest), kTiny, path("textcnn").string(), "epochs: 2, log_every: 1"));
  go("whole", /*workers=*/1, 4, /*resume=*/false);
  go("parts", /*workers=*/3, 2, /*resume=*/false);
  const StateDict stopped = state("parts");
  EXPECT_EQ(stopped.metadata.at("epoch"), "0");
  EXPECT_EQ(stopped.metadata.at("offset"), "12");
  go("parts", /*workers=*/2, 4, /*resume=*/true);
  for (const char* file : {"model.safetensors", "state.safetensors"})
    EXPECT_EQ(tensors(path("parts") / "checkpoints/last" / file), tensors(path("whole") / "checkpoints/last" / file)) << file;
  EXPECT_EQ(state("parts").metadata, state("whole").metadata);
  EXPECT_EQ(state("whole").metadata.at("step"), "4");
  EXPECT_EQ(state("whole").metadata.at("epoch"), "1");
}

INSTANTIATE_TEST_SUITE_P(Of, ResumeTest, ::testing::ValuesIn(kRecipes), [](const auto& run) { return run.param.name; });

}  // namespace
}  // namespace emotion
