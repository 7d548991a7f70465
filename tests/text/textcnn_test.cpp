#include "emotion/text/textcnn.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace emotion {
namespace {

/// Three words of value 1, padding of value 0, and layers that change nothing: the logit is the share of positions with a word,
/// over the square root of 1 + the batch norm's eps.
TextCNN counting_network(double word_dropout) {
  const at::NoGradGuard no_grad;
  TextCNN network(TextCNNOptions{.vocabulary = 3, .classes = 1, .dimension = 1, .dropout = 0, .word_dropout = word_dropout});
  network->embedding->weight.fill_(1);
  network->embedding->weight[4].zero_();
  for (const auto& parameter : network->named_parameters()) {
    if (parameter.key().starts_with("embedding.")) continue;
    parameter.value().fill_(parameter.key().ends_with(".weight") ? 1 : 0);
  }
  network->train();
  network->norm->eval();
  return network;
}

at::Tensor shares(double word_dropout, bool training = true) {
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  TextCNN network = counting_network(word_dropout);
  if (!training) network->eval();
  return network->forward(at::randint(0, 3, {200, 50}, at::kLong)).flatten() * std::sqrt(1 + 1e-5);
}

TEST(WordDropout, LeavesOutThatPartOfTheWords) {
  const at::Tensor kept = shares(0.2);
  EXPECT_NEAR(kept.mean().item<double>(), 0.8, 0.02);  // of 10000 words: five standard deviations
  EXPECT_NEAR(kept.std().item<double>(), std::sqrt(0.2 * 0.8 / 50), 0.01) << "each word for itself";
  EXPECT_TRUE(at::allclose(shares(0), at::ones({200})));
}

TEST(WordDropout, OfAllWordsLeavesPadding) {
  EXPECT_TRUE(shares(1).equal(at::zeros({200})));
  const at::NoGradGuard no_grad;
  at::manual_seed(2);
  TextCNN network(TextCNNOptions{.vocabulary = 6, .classes = 3, .dimension = 8, .dropout = 0, .word_dropout = 1});
  network->train();
  network->norm->eval();
  const at::Tensor padding = at::full({4, 5}, 7, at::kLong), words = at::randint(0, 6, {4, 5}, at::kLong);
  const at::Tensor dropped = network->forward(words);
  network->eval();
  EXPECT_TRUE(dropped.equal(network->forward(padding)));
  EXPECT_FALSE(dropped.equal(network->forward(words)));
}

TEST(WordDropout, IsForTrainingAlone) { EXPECT_TRUE(at::allclose(shares(0.2, /*training=*/false), at::ones({200}))); }

}  // namespace
}  // namespace emotion
