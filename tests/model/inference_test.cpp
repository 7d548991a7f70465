#include "emotion/model/inference.h"

#include <memory>
#include <set>

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include "emotion/batch_norm.h"
#include "emotion/model/backbone.h"

namespace emotion {
namespace {

/// The names of the operations that ran while it lived.
std::set<std::string>& seen() {
  thread_local std::set<std::string> names;
  return names;
}

class Observer {
 public:
  Observer()
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback([](const at::RecordFunction& f) -> std::unique_ptr<at::ObserverContext> {
              seen().insert(f.name());
              return nullptr;
            }).scopes({at::RecordScope::FUNCTION}))) {
    seen().clear();
  }
  ~Observer() { at::removeCallback(handle_); }
  static bool fused() { return seen().contains("mkldnn::_convolution_pointwise"); }
  static bool normed() { return seen().contains("aten::batch_norm"); }

 private:
  at::CallbackHandle handle_;
};

/// Batch norms that have seen something; other weights as they are drawn.
void give_statistics(torch::nn::Module& network) {
  const at::NoGradGuard no_grad;
  for (const auto& module : network.modules()) {
    auto* norm = module->as<torch::nn::BatchNorm2dImpl>();
    if (!norm) continue;
    const at::Tensor wave = at::sin(at::arange(norm->weight.numel(), at::kFloat));
    norm->weight.copy_(1 + 0.3 * wave);
    norm->bias.copy_(0.1 * wave.flip(0));
    norm->running_mean.copy_(0.2 * wave);
    norm->running_var.copy_(1 + 0.5 * wave.square());
  }
}

at::Tensor images(std::int64_t n = 2) {
  return at::sin(at::arange(n * 3 * 70 * 66, at::kDouble) * (0.7390851 / 40)).view({n, 3, 70, 66}).to(at::kFloat);
}

/// Layer by layer: where gradients are recorded, nothing is fused.
at::Tensor plain(Backbone& network, const at::Tensor& x) {
  const at::AutoGradMode grad(true);
  return network.forward(x).detach();
}

void expect_near(const at::Tensor& got, const at::Tensor& wanted) {
  ASSERT_EQ(got.sizes(), wanted.sizes());
  const double scale = wanted.abs().max().item<double>();
  ASSERT_GT(scale, 0);
  EXPECT_LT((got - wanted).abs().max().item<double>(), 1e-4 * std::max(1.0, scale));
}

class Inference : public testing::TestWithParam<std::string> {};

TEST_P(Inference, AgreesWithThePlainNetworkAndFollowsItsWeights) {
  const auto network = make_backbone(GetParam());
  give_statistics(*network);
  network->eval();
  const bool residual = GetParam().starts_with("resnet");
  const at::NoGradGuard no_grad;
  at::Tensor before;
  {
    const Observer observer;
    expect_near(before = network->forward(images()), plain(*network, images()));
    EXPECT_TRUE(Observer::fused());
  }
  {
    const Observer observer;
    network->feature_map(images());
    EXPECT_FALSE(Observer::normed());
    EXPECT_FALSE(seen().contains("aten::relu_"));
  }
  if (residual) {
    expect_near(network->forward(images(3)), plain(*network, images(3)));  // packed for another batch
    expect_near(network->forward(images().contiguous(at::MemoryFormat::ChannelsLast)), before);
  }

  // In place, and by another tensor.
  auto named = network->named_parameters();
  at::Tensor first = named[residual ? "conv1.weight" : "features.0.weight"];
  first.mul_(1.5);
  const at::Tensor scaled = network->forward(images());
  EXPECT_GT((scaled - before).abs().max().item<double>(), 1e-3 * before.abs().max().item<double>());
  expect_near(scaled, plain(*network, images()));
  if (residual) {
    first.set_data(first.detach() * 0.5);
    expect_near(network->forward(images()), plain(*network, images()));
    network->named_buffers()["layer2.0.bn1.running_var"].mul_(2);
    expect_near(network->forward(images()), plain(*network, images()));
    network->named_buffers()["layer3.0.downsample.1.running_mean"].add_(0.2);
    expect_near(network->forward(images()), plain(*network, images()));
  }
}
INSTANTIATE_TEST_SUITE_P(Networks, Inference, testing::ValuesIn(backbone_names()), [](const auto& name) { return name.param; });

TEST(InferenceForm, StaysPlainWhereItMust) {
  const auto network = make_backbone("resnet18");
  give_statistics(*network);
  {
    network->train();
    const at::NoGradGuard no_grad;
    const Observer observer;
    network->forward(images());
    EXPECT_FALSE(Observer::fused());
    EXPECT_TRUE(Observer::normed());
  }
  network->eval();
  {
    const Observer observer;
    const at::Tensor out = network->forward(images());  // gradients are recorded
    EXPECT_FALSE(Observer::fused());
    EXPECT_TRUE(out.requires_grad());
  }
  {
    const at::NoGradGuard no_grad;
    const Observer observer;
    network->to(at::kDouble);
    EXPECT_EQ(network->forward(images().to(at::kDouble)).scalar_type(), at::kDouble);
    EXPECT_FALSE(Observer::fused());
  }
}

TEST(InferenceForm, ServesStagesGreyStemsAndCaffeLayers) {
  const auto grey = make_backbone("resnet18", 1);
  give_statistics(*grey);
  grey->eval();
  const at::NoGradGuard no_grad;
  expect_near(grey->forward(images()), plain(*grey, images()));
  const auto maps = grey->stages(images());
  std::vector<at::Tensor> wanted;
  {
    const at::AutoGradMode grad(true);
    wanted = grey->stages(images());
  }
  ASSERT_EQ(maps.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) expect_near(maps[i], wanted[i].detach());  // none was overwritten by the next layer

  auto layer = make_caffe_layer(8, 4, 2, 2, /*dilation=*/2);
  give_statistics(*layer);
  layer->eval();
  const at::Tensor x = at::sin(at::arange(8 * 9 * 11, at::kFloat)).view({1, 8, 9, 11});
  const at::Tensor kept = x.clone(), fused = layer->forward(x);
  EXPECT_TRUE(at::equal(x, kept));
  const at::AutoGradMode grad(true);
  expect_near(fused, layer->forward(x).detach());
}

// One channel, 1x1: conv = 2 x + 1 = 7 at x = 3; norm (7 - 3) / sqrt(3 + 1) * 5 - 12 = -2; with the residual 1: -1; relu: 0.
TEST(FusedConvolution, GivesTheNumbersWorkedByHand) {
  const at::NoGradGuard no_grad;
  torch::nn::Conv2d conv(1, 1, 1);
  conv->weight.fill_(2);
  conv->bias.fill_(1);
  BatchNorm2d norm(torch::nn::BatchNormOptions(1).eps(1));
  norm->running_mean.fill_(3);
  norm->running_var.fill_(3);
  norm->weight.fill_(5);
  norm->bias.fill_(-12);
  norm->eval();
  const at::Tensor x = at::full({1, 1, 2, 2}, 3.0), one = at::ones({1, 1, 2, 2});
  FusedConvolution fused;
  const auto value = [&](bool relu, const at::Tensor& residual) {
    return fused(*conv, norm.get(), x, relu, residual).max().item<float>();
  };
  EXPECT_FLOAT_EQ(value(false, {}), -2);
  EXPECT_FLOAT_EQ(value(true, {}), 0);
  EXPECT_FLOAT_EQ(value(false, one), -1);
  EXPECT_FLOAT_EQ(value(true, one), 0);
  EXPECT_FLOAT_EQ(value(true, one * 5), 3);
  EXPECT_TRUE(at::equal(one, at::ones({1, 1, 2, 2})));
  norm->train();
  EXPECT_FALSE(FusedConvolution::can_fuse(*conv, norm.get()));
}

/// No other process.
class Alone final : public StatisticsExchange {
 public:
  at::Tensor gather(const at::Tensor& values) override { return values.unsqueeze(0); }
  void sum(at::Tensor&) override {}
};

// Mixed precision on the CPU: the values are of bfloat16, their mean and variance are not. Rounded, 3 is known to 0.01.
TEST(SynchronisedBatchNorm, TakesStatisticsOfBFloat16InFloat) {
  at::manual_seed(1);
  const at::Tensor x = (at::randn({16, 3, 5, 5}) + 3).to(at::kBFloat16);
  const at::Tensor wide = x.to(at::kDouble).transpose(0, 1).flatten(1);  // [3, 400]
  BatchNorm2d norm(torch::nn::BatchNormOptions(3).momentum(1.0));
  norm->exchange = std::make_shared<Alone>();
  const at::NoGradGuard no_grad;
  norm->forward(x);
  EXPECT_LT((norm->running_mean - wide.mean(1)).abs().max().item<double>(), 1e-5);
  EXPECT_LT((norm->running_var - wide.var(1)).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace emotion
