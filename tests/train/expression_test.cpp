#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/task.h"
#include "emotion/train/trainer.h"

// The Expression-Net on its own: trained on pictures that are faces or on faces of pictures, and taken over by a StimuliNet.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kTiny = std::string(EMOTION_TEST_DATA) + "/fixtures/tiny";

class ExpressionTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kError); }
  fs::path path(const std::string& name) const { return folder_.path() / name; }

  RunConfig config(const std::string& name, const std::string& split, const std::vector<std::string>& settings) const {
    const std::string yaml = fmt::format(
        "task: expression\noutput: {}\nseed: 5\ndevice: cpu\ndata: {{train: {{dataset: {}, split: {}}}, resize: 48, size: 48}}\n"
        "model: {{backbone: resnet18}}\ntrain: {{batch: 4, epochs: 1}}\n",
        path(name).string(), kTiny, split);
    return parse_run_config(yaml, "test", settings);
  }
  void run(const std::string& name, const std::string& split, const std::vector<std::string>& settings) const {
    train(config(name, split, settings), false);
  }
  std::string error(const std::string& name, const std::string& split, const std::vector<std::string>& settings) const {
    return error_of<Error>([&] { run(name, split, settings); });
  }
  fs::path model(const std::string& name) const { return find_model_file(path(name)); }
  /// Steps that a run took.
  std::int64_t steps(const std::string& name) const {
    const std::string step = fs::canonical(path(name) / "checkpoints/last").filename().string();
    return std::stoll(step.substr(std::string("step-").size()));
  }
  /// Overrides that make a StimuliNet of the Expression-Net alone, with a learning rate that moves nothing.
  std::vector<std::string> stimuli(const std::string& init) const {
    return {"task=stimuli",
            "model.branches=[expression]",
            "model.expression_backbone=resnet18",
            "model.expression_init=" + init,
            "optimizer.name=sgd",
            "optimizer.lr=1.0e-20",
            "train.batch=8"};
  }

  ScratchFolder folder_;
};

TEST_F(ExpressionTest, TrainsOnPicturesAndSaysWhatItIs) {
  run("pictures", "single", {});
  EXPECT_EQ(steps("pictures"), 4) << "16 pictures, 4 a step";
  const StateDict state = read_safetensors(model("pictures"));
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, "test");
  EXPECT_EQ(info.task, "expression");
  EXPECT_EQ(info.classes, (std::vector<std::string>{"awe", "fear", "calm", "anger"}));
  EXPECT_EQ(state.find("classifier.weight")->sizes(), at::IntArrayRef({4, 512}));
  run("grey", "single", {"model.channels=1"});
  EXPECT_EQ(read_safetensors(model("grey")).find("backbone.conv1.weight")->sizes(), at::IntArrayRef({64, 1, 7, 7}));
}

// Eleven of the sixteen samples have a face: the others are no part of an epoch.
TEST_F(ExpressionTest, FacesOfPicturesAreTrainedOn) {
  LogCapture log(LogLevel::kInfo);
  run("faces", "stimuli", {"data.picture=face"});
  EXPECT_THAT(log.text(), HasSubstr("stimuli.jsonl: 11 of 16 samples have a face"));
  run("eleven", "stimuli", {"data.picture=face", "train.batch=11"});
  EXPECT_EQ(steps("eleven"), 1);
  EXPECT_EQ(error("none", "single", {"data.picture=face"}),
            kTiny + "/single.jsonl: no sample has a face; emotion_data faces finds them");
  EXPECT_FALSE(fs::exists(path("none")));
}

TEST_F(ExpressionTest, AStimuliNetBeginsFromIt) {
  run("expression", "stimuli", {"data.picture=face"});
  run("net", "stimuli", stimuli(path("expression").string()));
  const StateDict from = read_safetensors(model("expression")), net = read_safetensors(model("net"));
  int compared = 0;
  for (const auto& [name, tensor] : from.entries) {
    constexpr std::string_view kBackbone = "backbone.";
    if (!name.starts_with(kBackbone) || !name.ends_with("weight")) continue;
    const at::Tensor* taken = net.find("expression." + name.substr(kBackbone.size()));
    ASSERT_NE(taken, nullptr) << name;
    EXPECT_TRUE(taken->equal(tensor)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 40) << "20 convolutions of a ResNet-18 and their batch norms";
  EXPECT_EQ(
      error("b", "stimuli", {"task=stimuli", "model.branches=[global]", "model.expression_init=" + path("expression").string()}),
      "model.expression_init is set, and model.branches has no expression");
  EXPECT_THAT(error("c", "stimuli", stimuli(path("nothing").string())), HasSubstr("nothing: no such file or run folder"));
}

TEST_F(ExpressionTest, WhatWantsOneClassASampleIsNamed) {
  const std::string several = kTiny + "/train.jsonl:1: 2 classes; ";
  for (const std::string task : {"expression", "stimuli", "classifier"})
    EXPECT_EQ(error("several", "train", {"task=" + task}),
              several + "task " + task + " wants one a sample, task emotionnet takes several");
  EXPECT_EQ(error("several", "single",
                  {"task=emotionnet", "model.head=three_branch", "loss.soft_label=false", "loss.embedding_weight=0",
                   "data.extra={dataset: " + kTiny + ", split: train}"}),
            several + "data.extra wants one a sample");
}

// A run of the expression branch alone is a StimuliNet: what its names say, not which other branches it has.
TEST_F(ExpressionTest, ARunOfThisBranchAloneIsBegunFrom) {
  run("alone", "stimuli",
      {"task=stimuli", "model.branches=[expression]", "model.expression_backbone=resnet18", "train.max_steps=1"});
  const std::string alone = path("alone").string(), file = model("alone").string();
  const StateDict from = read_safetensors(file);
  const auto begin = [&](const std::vector<std::string>& more) {
    std::vector<std::string> settings{"task=stimuli", "model.expression_backbone=resnet18"};
    settings.insert(settings.end(), more.begin(), more.end());
    return make_task(config("again", "stimuli", settings), Device::open("cpu"));
  };
  const auto expect_taken = [&](Task& task) {
    int compared = 0;
    for (const auto& [name, tensor] : module_state(task.network()).entries) {
      if (!name.starts_with("expression.")) continue;
      EXPECT_TRUE(tensor.equal(*from.find(name))) << name;
      ++compared;
    }
    EXPECT_EQ(compared, 20 + 20 * 5) << "convolutions of a ResNet-18, and norms with their statistics";
  };
  expect_taken(*begin({"model.branches=[expression]", "model.init=" + alone}));
  expect_taken(*begin({"model.branches=[expression]", "model.expression_init=" + alone}));
  expect_taken(*begin({"model.branches=[global, expression]", "model.expression_init=" + alone}));
  EXPECT_EQ(error_of<WeightsError>([&] {
              begin({"model.branches=[global, expression]", "model.init=" + alone});
            }),
            file + ": it has no branch global, which model.branches names; model.expression_init takes expression alone");
}

}  // namespace
}  // namespace emotion
