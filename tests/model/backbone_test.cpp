#include "emotion/model/backbone.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <ATen/Context.h>
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

// torchvision's published counts of parameters, less those of the final layer (512 x 1000 + 1000, 2048 x 1000 + 1000).
TEST(Backbone, TheDeeperResNetsHaveTheirParametersAndGiveFeatures) {
  const at::NoGradGuard no_grad;
  struct Wanted {
    const char* name;
    std::int64_t parameters, dimension;
  };
  for (const auto& [name, parameters, dimension] :
       {Wanted{"resnet34", 21'797'672 - 513'000, 512}, Wanted{"resnet101", 44'549'160 - 2'049'000, 2048}}) {
    const auto network = make_backbone(name);
    std::int64_t sum = 0;
    for (const at::Tensor& parameter : network->parameters()) sum += parameter.numel();
    EXPECT_EQ(sum, parameters) << name;
    network->eval();
    const at::Tensor features = network->forward(images());
    EXPECT_EQ(features.sizes(), at::IntArrayRef({2, dimension})) << name;
    EXPECT_TRUE(features.isfinite().all().item<bool>()) << name;
    EXPECT_FALSE(features[0].equal(features[1])) << name;
  }
}

// torchvision's rule: kaiming_normal_(mode = fan_out, relu), so N(0, 2 / (out k k)); norms begin as the identity.
TEST(Backbone, AResNetBeginsWithTorchvisionsValues) {
  at::manual_seed(5);
  int convolutions = 0;
  for (const auto& [name, tensor] : module_state(*make_backbone("resnet34")).entries) {
    const at::Tensor values = tensor.detach().to(at::kDouble).flatten();
    if (tensor.dim() == 4) {
      const double n = static_cast<double>(tensor.numel());
      const double wanted = std::sqrt(2.0 / static_cast<double>(tensor.size(0) * tensor.size(2) * tensor.size(3)));
      const double deviation = values.std().item<double>();
      // Five times the spread that chance gives: of the mean sigma / sqrt(n), of the deviation sigma / sqrt(2 n).
      EXPECT_NEAR(values.mean().item<double>(), 0, 5 * wanted / std::sqrt(n)) << name;
      EXPECT_NEAR(deviation, wanted, 5 * wanted / std::sqrt(2 * n)) << name;
      // A normal law has 31.7 % of its values beyond one deviation, a uniform one 42.3 %.
      EXPECT_NEAR((values.abs() > wanted).to(at::kDouble).mean().item<double>(), 0.3173, 5 * 0.4655 / std::sqrt(n)) << name;
      ++convolutions;
    } else if (name.ends_with(".weight") || name.ends_with("running_var")) {
      EXPECT_TRUE((values == 1).all().item<bool>()) << name;
    } else {
      EXPECT_TRUE((values == 0).all().item<bool>()) << name;
    }
  }
  EXPECT_EQ(convolutions, 36);
}

TEST(Backbone, OneChannelReadsTheMeanOfThree) {
  const at::NoGradGuard no_grad;
  const auto grey = make_backbone("resnet18", 1);
  grey->eval();
  const at::Tensor one = images().narrow(1, 0, 1);
  EXPECT_TRUE(
      at::allclose(grey->forward(one.expand({2, 3, 70, 66})), grey->forward(at::cat({one - 1, one, one + 1}, 1)), 1e-4, 1e-4));
  EXPECT_EQ(module_state(*grey).find("conv1.weight")->size(1), 1);
}

TEST(Backbone, AFeatureMapOfOneValueCannotBeTrainedOn) {
  const auto network = make_backbone("resnet18");
  for (const auto& [batch, side] : {std::pair(1, 32), std::pair(2, 32), std::pair(1, 33)}) {
    const std::string error = error_of<ConfigError>([&, n = batch, s = side] { network->forward(at::ones({n, 3, s, s})); });
    EXPECT_EQ(error.substr(0, 47), batch == 1 && side == 32 ? "train.batch: batch norm cannot learn from a bat" : "no error");
  }
  network->eval();
  EXPECT_NO_THROW(network->forward(at::ones({1, 3, 32, 32})));
}

TEST(Backbone, UnknownNameListsThoseThereAre) {
  EXPECT_NE(error_of<ConfigError>([] { make_backbone("resnet19"); }).find("resnet18"), std::string::npos);
}

}  // namespace
}  // namespace emotion
