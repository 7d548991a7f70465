#include "emotion/model/inference.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "emotion/model/image_classifier.h"
#include "emotion/train/optimizer.h"

namespace emotion {
namespace {

/// What the network gives layer by layer: with gradients recorded nothing is fused.
at::Tensor plain(ImageClassifier& network, const at::Tensor& images) {
  network->eval();
  return network->forward(images).detach();
}

at::Tensor evaluated(ImageClassifier& network, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  network->eval();
  return network->forward(images);
}

void train_steps(ImageClassifier& network, Optimizer& optimizer, const at::Tensor& images, const at::Tensor& labels) {
  network->train();
  for (int step = 0; step < 3; ++step) {
    at::cross_entropy_loss(network->forward(images), labels).backward();
    optimizer.step(0.05);
    optimizer.zero_grad();
  }
}

/// An evaluation between steps of training, again and again, sees the weights and statistics of now.
class EvaluationInTraining : public testing::TestWithParam<std::string> {};

TEST_P(EvaluationInTraining, SeesTheWeightsOfNow) {
  at::manual_seed(5);
  ImageClassifier network("resnet18", 4);
  const at::Tensor images = at::randn({4, 3, 48, 48}), labels = at::arange(4);
  OptimizerConfig config;
  config.name = GetParam();
  std::vector<NamedParameter> parameters;
  for (const auto& parameter : network->named_parameters()) parameters.push_back({parameter.key(), parameter.value()});
  const auto optimizer = make_optimizer(config, parameters);
  at::Tensor before = evaluated(network, images);
  for (int round = 0; round < 2; ++round) {
    train_steps(network, *optimizer, images, labels);
    const at::Tensor now = evaluated(network, images), wanted = plain(network, images);
    const double scale = wanted.abs().max().item<double>();
    EXPECT_LT((now - wanted).abs().max().item<double>(), 1e-4 * scale);
    EXPECT_GT((now - before).abs().max().item<double>(), 1e-2 * scale);
    before = now;
  }
}
INSTANTIATE_TEST_SUITE_P(Optimizers, EvaluationInTraining, testing::Values("sgd", "adam", "adamw", "adagrad", "adadelta"));

}  // namespace
}  // namespace emotion
