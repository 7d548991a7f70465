#include "emotion/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace emotion {
namespace {

/// Of several shapes and memory orders; one never gets a gradient.
std::vector<NamedParameter> parameters() {
  at::manual_seed(4);
  return {{"weight", at::randn({5, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_()},
          {"pointwise", at::empty_strided({4, 3, 1, 1}, {3, 1, 3, 3}).normal_().requires_grad_()},
          {"bias", at::randn({5}).requires_grad_()},
          {"unused", at::randn({2}).requires_grad_()},
          {"scale", at::randn({}).requires_grad_()}};
}

/// What a backward pass would leave: the weight's gradient in another memory order than the weight.
void give_gradients(const std::vector<NamedParameter>& parameters) {
  for (const NamedParameter& parameter : parameters) {
    if (parameter.name != "unused") parameter.tensor.mutable_grad() = at::randn(parameter.tensor.sizes());
  }
}

// Zeiler, 2012, tensor by tensor in the order of PyTorch's operations: the same bits.
void expect_adadelta(double weight_decay) {
  const double rho = 0.9, eps = 1e-6, rate = 0.5;
  const auto all = parameters();
  OptimizerConfig config;
  config.name = "adadelta";
  config.rho = rho;
  config.weight_decay = weight_decay;
  const auto optimizer = make_optimizer(config, all);
  std::vector<at::Tensor> values, squares, averages;
  for (const NamedParameter& parameter : all) {
    values.push_back(parameter.tensor.detach().clone());
    squares.push_back(at::zeros_like(values.back()));
    averages.push_back(at::zeros_like(values.back()));
  }
  for (int step = 0; step < 4; ++step) {
    give_gradients(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].tensor.grad().defined()) continue;
      at::Tensor gradient = all[i].tensor.grad();
      if (weight_decay != 0) gradient = gradient.add(values[i], weight_decay);
      squares[i].mul_(rho).addcmul_(gradient, gradient, 1 - rho);
      const at::Tensor update = averages[i].add(eps).sqrt_().div_(squares[i].add(eps).sqrt_()).mul_(gradient);
      averages[i].mul_(rho).addcmul_(update, update, 1 - rho);
      values[i].add_(update, -rate);
    }
    optimizer->step(rate);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(at::equal(all[i].tensor, values[i])) << all[i].name << " " << step;
  }
  const StateDict state = optimizer->state();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(at::equal(*state.find("square_avg." + all[i].name), squares[i])) << all[i].name;
    EXPECT_TRUE(at::equal(*state.find("acc_delta." + all[i].name), averages[i])) << all[i].name;
  }
}

TEST(Optimizer, AdadeltaOfAllTensorsAtOnceIsThatOfEach) {
  expect_adadelta(0);
  expect_adadelta(0.1);
}

// A gradient's memory order is no part of its value: in that of the weight nothing is copied, of a 1 x 1 convolution in no order.
TEST(Optimizer, GradientsInAnyMemoryOrderGiveTheSameStep) {
  for (const char* name : {"sgd", "adam", "adamw", "adagrad", "adadelta"}) {
    const auto some = parameters(), others = parameters();
    OptimizerConfig config;
    config.name = name;
    config.weight_decay = 0.1;
    const auto first = make_optimizer(config, some), second = make_optimizer(config, others);
    for (int step = 0; step < 3; ++step) {
      give_gradients(some);
      for (std::size_t i = 0; i < some.size(); ++i) {
        if (const at::Tensor& gradient = some[i].tensor.grad(); gradient.defined())
          others[i].tensor.mutable_grad() = at::empty_like(others[i].tensor.detach()).copy_(gradient);
      }
      EXPECT_NE(some[1].tensor.grad().strides(), some[1].tensor.strides());
      EXPECT_EQ(others[1].tensor.grad().strides(), others[1].tensor.strides());
      first->step(0.1);
      second->step(0.1);
    }
    for (std::size_t i = 0; i < some.size(); ++i)
      EXPECT_TRUE(at::equal(some[i].tensor, others[i].tensor)) << name << " " << some[i].name;
  }
}

TEST(Optimizer, AStepWithoutAnyGradientChangesNothing) {
  for (const char* name : {"sgd", "adam", "adamw", "adagrad", "adadelta"}) {
    const auto all = parameters();
    OptimizerConfig config;
    config.name = name;
    make_optimizer(config, all)->step(1);
    const auto before = parameters();
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(at::equal(all[i].tensor, before[i].tensor)) << name;
  }
}

}  // namespace
}  // namespace emotion
