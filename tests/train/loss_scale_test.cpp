#include "emotion/train/loss_scale.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "emotion/error.h"

namespace emotion {
namespace {

// The rule of GradScaler: growth 2 after `interval` finite steps in a row, backoff 0.5, unscaled before clipping.
TEST(LossScale, GrowsAndBacksOffByPowersOfTwo) {
  LossScale scale(8, /*interval=*/2);
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(scale.scaled(at::full({}, 3.0F)).item<float>(), 24);
  const std::vector<at::Tensor> gradients{at::tensor({4.0F, -16.0F}), at::full({1}, 1.0F)};
  EXPECT_TRUE(scale.unscale(gradients));
  EXPECT_TRUE(gradients[0].equal(at::tensor({0.5F, -2.0F})));
  EXPECT_TRUE(gradients[1].equal(at::full({1}, 0.125F)));
  EXPECT_EQ(scale.scale(), 8);
  EXPECT_TRUE(scale.unscale({at::tensor({1.0F})}));
  EXPECT_EQ(scale.scale(), 16);
  EXPECT_TRUE(scale.unscale({at::tensor({1.0F})}));
  EXPECT_FALSE(scale.unscale({at::tensor({1.0F}), at::tensor({1.0F, infinity})}));  // and the count begins anew
  EXPECT_EQ(scale.scale(), 8);
  EXPECT_FALSE(scale.unscale({at::tensor({nan})}));
  EXPECT_EQ(scale.scale(), 4);
  EXPECT_TRUE(scale.unscale({at::tensor({1.0F})}));
  EXPECT_EQ(scale.scale(), 4);

  LossScale resumed(1, 2);
  resumed.restore(scale.save());
  EXPECT_TRUE(resumed.unscale({at::tensor({1.0F})}));
  EXPECT_EQ(resumed.scale(), 8);
}

TEST(LossScale, WithoutOneNothingIsTouched) {
  LossScale none(0);
  const at::Tensor loss = at::tensor({2.0F}), bad = at::full({1}, std::numeric_limits<float>::infinity());
  EXPECT_TRUE(none.scaled(loss).is_same(loss));
  EXPECT_TRUE(none.unscale({bad}));
  EXPECT_FALSE(none.active());
}

TEST(LossScale, GradientsThatNoScaleMendsEndTheRun) {
  LossScale scale(1);
  const at::Tensor bad = at::full({1}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(
      {
        for (int i = 0; i < 30; ++i) scale.unscale({bad});
      },
      RunError);
}

}  // namespace
}  // namespace emotion
