#include "emotion/model/load_state.h"

#include <cmath>
#include <fstream>
#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/model/backbone.h"

namespace emotion {
namespace {

struct Network : torch::nn::Module {
  Network() {
    register_module("conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, 3).bias(false)));
    register_module("bn1", torch::nn::BatchNorm2d(4));
    register_module("conv2", torch::nn::Conv2d(torch::nn::Conv2dOptions(4, 4, 3).bias(false)));
  }
};

/// A state of its own: what the network does with its weights does not change it.
StateDict copy_of(const torch::nn::Module& network) {
  StateDict state;
  for (const auto& [name, tensor] : module_state(network).entries) state.add(name, tensor.detach().clone());
  return state;
}

/// A state of a backbone's names and shapes. Of torchvision's own (make_backbone_goldens.py) each tensor is one number, seen as
/// many: a VGG-16 would take half a gigabyte and seconds to draw.
StateDict foreign(const std::string& backbone) {
  static const auto golden =
      nlohmann::json::parse(std::ifstream(std::filesystem::path(EMOTION_TEST_DATA) / "fixtures/backbones.json"))["networks"];
  if (!golden.contains(backbone)) return copy_of(*make_backbone(backbone));
  StateDict state;
  for (const auto& entry : golden[backbone]["state"]) {
    const std::string name = entry[0];
    const at::Tensor one = at::zeros({}, name.ends_with("num_batches_tracked") ? at::kLong : at::kFloat);
    state.add(name, one.expand(entry[1].get<std::vector<std::int64_t>>()));
  }
  return state;
}

void spoil(StateDict& state, const std::string& name, double value) {
  at::Tensor tensor = *state.find(name);
  tensor.view(-1)[tensor.numel() - 1].fill_(value);
}

// A length of 2^40 beside one of 0 takes no byte of a file.
TEST(LoadState, SizesComeFromWeightsThatHaveNumbers) {
  StateDict state;
  state.add("good", at::full({3, 5}, 1.0));
  state.add("empty", at::empty({std::int64_t{1} << 40, 0}));
  const auto error = [&](const std::string& name, at::IntArrayRef shape) {
    return error_of<WeightsError>([&] { size_weight(state, name, shape, "f"); });
  };
  EXPECT_EQ(size_weight(state, "good", {-1, 5}, "f").size(0), 3);
  EXPECT_EQ(error("empty", {-1, -1}), "f: empty has shape [1099511627776, 0], [1 or more, 1 or more] is wanted");
  EXPECT_EQ(error("empty", {-1, 0}), "f: empty has shape [1099511627776, 0], [1 or more, 0] is wanted");
  EXPECT_EQ(error("good", {-1, 4}), "f: good has shape [3, 5], [1 or more, 4] is wanted");
  EXPECT_EQ(error("good", {-1}), "f: good has shape [3, 5], [1 or more] is wanted");
  EXPECT_EQ(error("none", {-1}), "f: none is missing");
}

TEST(LoadState, NumbersThatAreNotFiniteAreNamedWithAllElse) {
  const auto network = std::make_shared<Network>();
  StateDict state = copy_of(*network), other;
  load_module_state(*network, state, "w.pth");
  spoil(state, "bn1.bias", NAN);
  spoil(state, "bn1.running_var", INFINITY);
  spoil(state, "conv2.weight", -INFINITY);
  const std::string broken =
      "w.pth: bn1.bias holds NaN or infinite values; bn1.running_var holds NaN or infinite values; conv2.weight holds NaN "
      "or infinite values";
  EXPECT_EQ(error_of<WeightsError>([&] { load_module_state(*network, state, "w.pth"); }), broken);
  EXPECT_EQ(error_of<WeightsError>([&] { init_module_state(*network, state, "w.pth"); }), broken);
  EXPECT_EQ(error_of<WeightsError>([&] { init_backbone_state(*network, state, "w.pth"); }), broken);
  for (const auto& [name, tensor] : state.entries) {
    if (name != "conv1.weight") other.add(name, tensor);
  }
  EXPECT_EQ(error_of<WeightsError>([&] { load_module_state(*network, other, "w.pth"); }),
            "w.pth: conv1.weight is missing; did you mean conv2.weight?;" + broken.substr(broken.find(':') + 1));
}

TEST(LoadState, WeightsOfAnotherBackboneAreTold) {
  const auto says = [](const std::string& ours, const StateDict& state) {
    return error_of<WeightsError>([&] { init_backbone_state(*make_backbone(ours), state, "w.pth"); });
  };
  const auto begins = [](const std::string& theirs, const std::string& ours) {
    return fmt::format("w.pth: the weights look like {}'s; model.backbone is {}", theirs, ours);
  };
  for (const std::string theirs : {"resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "alexnet"}) {
    const std::string ours = theirs == "resnet50" ? "resnet18" : "resnet50";
    EXPECT_TRUE(says(ours, foreign(theirs)).starts_with(begins(theirs, ours))) << theirs;
  }
  StateDict prefixed, torn;
  for (const auto& [name, tensor] : copy_of(*make_backbone("resnet18")).entries) {
    prefixed.add("backbone." + name, tensor);
    if (name != "conv1.weight") torn.add(name, tensor);
  }
  EXPECT_TRUE(says("resnet34", prefixed).starts_with(begins("resnet18", "resnet34")));
  EXPECT_EQ(says("resnet18", torn), "w.pth: conv1.weight is missing; did you mean bn1.weight?") << "no other backbone's";
  // Nothing that a ResNet-50 wants is missing in a ResNet-101.
  EXPECT_EQ(says("resnet50", copy_of(*make_backbone("resnet101"))), begins("resnet101", "resnet50"));
}

// Sums that overflow are no fault of the numbers; numbers that do not fit the network's float32 are.
TEST(LoadState, LargeNumbersAreFinite) {
  const auto network = std::make_shared<Network>();
  const StateDict state = copy_of(*network);
  StateDict large, larger;
  for (const auto& [name, tensor] : state.entries) {
    const bool chosen = name == "bn1.weight";
    large.add(name, chosen ? at::full_like(tensor, std::numeric_limits<float>::max()) : tensor);
    larger.add(name, chosen ? at::full_like(tensor, 1e300, at::kDouble) : tensor);
  }
  EXPECT_NO_THROW(load_module_state(*network, large, "w.pth"));
  EXPECT_EQ(error_of<WeightsError>([&] { load_module_state(*network, larger, "w.pth"); }),
            "w.pth: bn1.weight holds NaN or infinite values");
}

// Weights of eight bits become the network's float32 as those of sixteen do; NaN (0x7f of E4M3) is named.
TEST(LoadState, FloatsOfEightBits) {
  const auto network = std::make_shared<Network>();
  StateDict state = copy_of(*network);
  for (auto& entry : state.entries) {
    if (entry.name == "bn1.weight") entry.tensor = at::tensor({1.0F, -2.0F, 448.0F, 0.0F}).to(at::kFloat8_e4m3fn);
    if (entry.name == "bn1.bias") entry.tensor = at::tensor({1.0F, -2.0F, 57344.0F, 0.0F}).to(at::kFloat8_e5m2);
  }
  load_module_state(*network, state, "w.safetensors");
  const StateDict loaded = module_state(*network);
  EXPECT_TRUE(at::equal(*loaded.find("bn1.weight"), at::tensor({1.0F, -2.0F, 448.0F, 0.0F})));
  EXPECT_TRUE(at::equal(*loaded.find("bn1.bias"), at::tensor({1.0F, -2.0F, 57344.0F, 0.0F})));
  static_cast<std::uint8_t*>(state.find("bn1.weight")->data_ptr())[1] = 0x7f;
  EXPECT_EQ(error_of<WeightsError>([&] { load_module_state(*network, state, "w.safetensors"); }),
            "w.safetensors: bn1.weight holds NaN or infinite values");
}

}  // namespace
}  // namespace emotion
