#include "emotion/model/backbone.h"

#include <filesystem>
#include <fstream>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sin.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/formula_weights.h"
#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

const nlohmann::json& golden() {
  static const auto json =
      nlohmann::json::parse(std::ifstream(std::filesystem::path(EMOTION_TEST_DATA) / "fixtures/backbones.json"));
  return json["networks"];
}

/// As tests/reference/make_backbone_goldens.py makes them.
at::Tensor images() {
  return at::sin(at::arange(2 * 3 * 70 * 66, at::kDouble) * (0.7390851 / 40)).view({2, 3, 70, 66}).to(at::kFloat);
}

/// Names, shapes and features of torchvision's network with the same weights.
void expect_as_torchvision(const std::string& name) {
  const at::NoGradGuard no_grad;
  const auto& wanted = golden()[name];
  const auto network = make_backbone(name);
  const StateDict state = module_state(*network);
  ASSERT_EQ(state.entries.size(), wanted["state"].size());
  for (std::size_t i = 0; i < state.entries.size(); ++i) {
    EXPECT_EQ(state.entries[i].name, wanted["state"][i][0].get<std::string>());
    EXPECT_EQ(state.entries[i].tensor.sizes().vec(), wanted["state"][i][1].get<std::vector<std::int64_t>>());
  }
  fill_by_noise(*network);
  network->eval();
  const at::Tensor features = network->forward(images());
  ASSERT_EQ(features.sizes(), at::IntArrayRef({2, wanted["dimension"].get<std::int64_t>()}));
  EXPECT_EQ(network->dimension(), features.size(1));
  const double scale = wanted["scale"], tolerance = 1e-4 * scale;
  for (std::int64_t row = 0; row < 2; ++row) {
    const auto& values = wanted["features"][static_cast<std::size_t>(row)];
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(features[row][static_cast<std::int64_t>(i)].item<double>(), values[i].get<double>(), tolerance) << i;
    EXPECT_NEAR(features[row].to(at::kDouble).sum().item<double>(), wanted["sums"][static_cast<std::size_t>(row)].get<double>(),
                1e-5 * scale * static_cast<double>(features.size(1)));
  }
  EXPECT_TRUE(at::allclose(network->pool(network->feature_map(images())), features));
}

TEST(Backbone, ResNet18AsTorchvision) { expect_as_torchvision("resnet18"); }
TEST(Backbone, ResNet50AsTorchvision) { expect_as_torchvision("resnet50"); }
TEST(Backbone, AlexNetAsTorchvision) { expect_as_torchvision("alexnet"); }
TEST(Backbone, Vgg16AsTorchvision) { expect_as_torchvision("vgg16"); }

TEST(Backbone, OneChannelReadsTheMeanOfThree) {
  const at::NoGradGuard no_grad;
  const auto grey = make_backbone("resnet18", 1);
  grey->eval();
  const at::Tensor one = images().narrow(1, 0, 1);
  EXPECT_TRUE(
      at::allclose(grey->forward(one.expand({2, 3, 70, 66})), grey->forward(at::cat({one - 1, one, one + 1}, 1)), 1e-4, 1e-4));
  EXPECT_EQ(module_state(*grey).find("conv1.weight")->size(1), 1);
}

TEST(Backbone, UnknownNameListsThoseThereAre) {
  EXPECT_NE(error_of<ConfigError>([] { make_backbone("resnet19"); }).find("resnet18"), std::string::npos);
}

}  // namespace
}  // namespace emotion
