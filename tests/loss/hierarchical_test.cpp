#include <cmath>

#include <ATen/ops/log.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "emotion/error.h"
#include "emotion/loss/hierarchical_cross_entropy.h"

namespace emotion {
namespace {

// Mikels' eight in the order of the paper's Fig 6: four positive, four negative.
const std::vector<std::int8_t> kPolarity{1, 1, 1, 1, -1, -1, -1, -1};

HierarchicalLoss loss_of(const std::vector<double>& probabilities, std::int64_t truth, double weight = 1) {
  return hierarchical_cross_entropy(at::log(at::tensor(probabilities)).unsqueeze(0).to(at::kFloat), at::tensor({truth}),
                                    kPolarity, weight);
}

// Fig 7: with p = 0.1 for the truth the emotion loss is 2.30 in both cases; the polarity loss is 0.11 (0.9 on the right side)
// for the easy false example, and 1.61 (0.2) for the hard one.
TEST(HierarchicalCrossEntropy, NumbersOfFigure7) {
  const HierarchicalLoss easy = loss_of({0.1, 0.6, 0.1, 0.1, 0.025, 0.025, 0.025, 0.025}, 0);
  EXPECT_NEAR(easy.emotion.item<double>(), 2.30, 0.005);
  EXPECT_NEAR(easy.polarity.item<double>(), 0.11, 0.005);
  const HierarchicalLoss hard = loss_of({0.1, 0.04, 0.03, 0.03, 0.6, 0.1, 0.05, 0.05}, 0);
  EXPECT_NEAR(hard.emotion.item<double>(), 2.30, 0.005);
  EXPECT_NEAR(hard.polarity.item<double>(), 1.61, 0.005);
  EXPECT_NEAR(hard.total.item<double>(), 2.302585 + 1.609438, 1e-5);
  EXPECT_NEAR(loss_of({0.1, 0.04, 0.03, 0.03, 0.6, 0.1, 0.05, 0.05}, 0, 0.5).total.item<double>(), 2.302585 + 0.5 * 1.609438,
              1e-5);
}

TEST(HierarchicalCrossEntropy, WithoutWeightIsPlainCrossEntropyAndNeedsNoPolarity) {
  const at::Tensor logits = at::tensor({1.0F, 2.0F, 3.0F}).unsqueeze(0);
  const HierarchicalLoss loss = hierarchical_cross_entropy(logits, at::tensor({std::int64_t{1}}), {}, 0);
  EXPECT_NEAR(loss.total.item<double>(), -2 + std::log(std::exp(1) + std::exp(2) + std::exp(3)), 1e-5);
  EXPECT_FALSE(loss.polarity.defined());
}

// The gradient of log p_pol is p_emo - p_emo / p_pol on the right side, p_emo on the other.
TEST(HierarchicalCrossEntropy, GradientIsTheEquationsAndFiniteForExtremeLogits) {
  at::Tensor logits = at::tensor({0.3F, -0.2F, 0.5F, 0.1F, 1.0F, 0.0F, -1.0F, 0.2F}).unsqueeze(0).requires_grad_(true);
  hierarchical_cross_entropy(logits, at::tensor({std::int64_t{2}}), kPolarity, 1).polarity.backward();
  const at::Tensor p = logits.detach().softmax(1)[0];
  const double right = p.narrow(0, 0, 4).sum().item<double>();
  for (std::int64_t k = 0; k < 8; ++k) {
    const double pk = p[k].item<double>();
    EXPECT_NEAR(logits.grad()[0][k].item<double>(), k < 4 ? pk - pk / right : pk, 1e-6) << k;
  }
  at::Tensor extreme =
      at::tensor({-500.0F, -500.0F, -500.0F, -500.0F, 500.0F, 0.0F, 0.0F, 0.0F}).unsqueeze(0).requires_grad_(true);
  const HierarchicalLoss loss = hierarchical_cross_entropy(extreme, at::tensor({std::int64_t{0}}), kPolarity, 1);
  loss.total.backward();
  EXPECT_NEAR(loss.polarity.item<double>(), 1000 - std::log(4), 1e-3);
  EXPECT_TRUE(extreme.grad().isfinite().all().item<bool>());
}

TEST(HierarchicalCrossEntropy, APolarityForEveryClassIsWanted) {
  try {
    hierarchical_cross_entropy(at::tensor({1.0F, 2.0F, 3.0F}).unsqueeze(0), at::tensor({std::int64_t{1}}), {1, -1}, 1);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "hierarchical loss: 2 polarities for 3 classes");
  }
}

}  // namespace
}  // namespace emotion
