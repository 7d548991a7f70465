#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/formula_weights.h"
#include "../support/networks.h"
#include "emotion/model/image_classifier.h"
#include "trainer_support.h"

// Keys of a config that change what a run computes, seen in the weights it leaves.
namespace emotion {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public TrainerTest {
 protected:
  /// A ResNet-18 on pictures of 64 pixels.
  std::string classifier(const std::string& model, const std::string& optimizer) const {
    const auto file = folder_.path() / "classifier.yaml";
    write_text(file,
               fmt::format("task: classifier\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {}, split: single}}, size: 64, "
                           "resize: 64, workers: 1}}\nmodel: {{backbone: resnet18{}}}\noptimizer: {}\n"
                           "train: {{batch: 4, epochs: 2, log_every: 1}}\ncheckpoint: {{every_minutes: 0.00001}}\n",
                           kTiny, model, optimizer));
    return file.string();
  }
  StateDict after(const std::string& file, const std::string& output, const std::vector<std::string>& more) const {
    const Result result = run(file, output, more);
    EXPECT_EQ(result.code, 0) << result.errors;
    return read_safetensors(folder_.path() / output / "checkpoints/last/model.safetensors");
  }
  std::vector<double> losses(const std::string& output) const {
    std::vector<double> all;
    std::ifstream in(folder_.path() / output / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line).at("loss").get<double>());
    return all;
  }
};

// bfloat16 has 8 bits: a loss of 1.4 is off by some hundredths.
TEST_F(SettingsTest, Bfloat16IsNearFloat32AndResumesExactly) {
  const std::string file = classifier("", "{name: sgd, lr: 1.0e-3}");
  after(file, "float32", {"--set", "train.max_steps=3"});
  after(file, "whole", {"--set", "train.max_steps=3", "--set", "train.amp=bf16"});
  const auto expected = losses("float32"), found = losses("whole");
  ASSERT_EQ(expected.size(), 3U);
  ASSERT_EQ(found.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(found[i], expected[i], 0.1 * expected[i]) << i;
  EXPECT_NE(found, expected) << "something is computed in bfloat16";

  after(file, "parted", {"--set", "train.max_steps=1", "--set", "train.amp=bf16"});
  after(file, "parted", {"--set", "train.max_steps=3", "--set", "train.amp=bf16", "--resume"});
  for (const char* name : {"model.safetensors", "state.safetensors"}) {
    const fs::path last = fs::path("checkpoints/last") / name;
    EXPECT_EQ(tensors(folder_.path() / "parted" / last), tensors(folder_.path() / "whole" / last)) << name;
    for (const auto& [tensor, value] : read_safetensors(folder_.path() / "whole" / last).entries)
      EXPECT_NE(value.scalar_type(), at::kBFloat16) << tensor;
  }
  for (const auto& [name, value] : read_safetensors(folder_.path() / "whole/checkpoints/last/model.safetensors").entries) {
    EXPECT_EQ(value.scalar_type(), name.ends_with("num_batches_tracked") ? at::kLong : at::kFloat) << name;
  }
}

// As torchvision's own files are: names without `backbone.`, and a classifier of a thousand classes.
TEST_F(SettingsTest, InitTakesTheBackboneOfATorchvisionFile) {
  ImageClassifier network("resnet18", 1);
  fill_by_noise(*network);
  const StateDict backbone = plain_backbone(module_state(*network));
  StateDict file = backbone;
  file.add("fc.weight", at::ones({1000, 512}));
  file.add("fc.bias", at::ones({1000}));
  const auto path = folder_.path() / "resnet18.pth";
  write_pth(path, file);
  // A step that moves nothing but batch statistics.
  const std::string config = classifier(", init: " + path.string(), "{name: sgd, lr: 1.0e-30, momentum: 0, weight_decay: 0}");
  const Result result = run(config, "run", {"--set", "train.max_steps=1"});
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("resnet18.pth: read; new at their first values: classifier.weight, classifier.bias\n"));
  const StateDict trained = read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors");
  EXPECT_EQ(trained.entries.size(), backbone.entries.size() + 2);
  int compared = 0;
  for (const auto& [name, tensor] : backbone.entries) {
    const at::Tensor* found = trained.find("backbone." + name);
    ASSERT_TRUE(found) << name;
    if (name.find("running_") != std::string::npos || name.ends_with("num_batches_tracked")) continue;
    EXPECT_TRUE(at::allclose(*found, tensor, 0, 1e-20)) << name;  // a weight of 0 may have moved by 1e-30
    ++compared;
  }
  EXPECT_EQ(compared, 60) << "20 convolutions, and weight and bias of 20 batch norms";
  EXPECT_EQ(trained.find("classifier.weight")->sizes(), at::IntArrayRef({4, 512}));
}

// Without any word, and a millionth is none of a few hundred, there is nothing that an embedding could learn from.
TEST_F(SettingsTest, WordDropoutIsTheNetworks) {
  const auto embedding = [&](const std::string& output, const std::string& part, const std::string& steps) {
    return *after(config(), output,
                  {"--set", "model.word_dropout=" + part, "--set", "train.max_steps=" + steps, "--set", "train.ema=0", "--set",
                   "optimizer={name: sgd, lr: 0.1, momentum: 0, weight_decay: 0}"})
                .find("embedding.weight");
  };
  const at::Tensor none = embedding("none", "0.999999", "1");
  EXPECT_TRUE(none.equal(embedding("none2", "0.999999", "2")));
  EXPECT_FALSE(none.equal(embedding("some", "0.2", "1")));
}

}  // namespace
}  // namespace emotion
