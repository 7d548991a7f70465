#include "emotion/eval/feature_map.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

TEST(FeatureMap, PrincipalComponentsByHand) {
  // Along (1, 1) by -2, 0, 2 and along (1, -1) by 1, -2, 1 (each over sqrt 2): variances 8 and 6 of 14.
  const double h = 1 / std::sqrt(2.0);
  const at::Tensor x =
      at::tensor({(-2 + 1) * h, (-2 - 1) * h, -2 * h, 2 * h, (2 + 1) * h, (2 - 1) * h}, at::kDouble).view({3, 2}) + 10;
  const PrincipalMap map = principal_map(x);
  EXPECT_NEAR(map.explained[0], 8.0 / 14, 1e-12);
  EXPECT_NEAR(map.explained[1], 6.0 / 14, 1e-12);
  EXPECT_NEAR(std::abs(map.points[0][0].item<double>()), 2, 1e-12);
  EXPECT_NEAR(map.points[1][0].item<double>(), 0, 1e-12);
  EXPECT_NEAR(std::abs(map.points[1][1].item<double>()), 2, 1e-12);
}

TEST(FeatureMap, NeighboursStayTogether) {
  at::manual_seed(1);
  // Three far groups of 20 in 10 dimensions: on the map the nearest point of every point is of its own group.
  std::vector<at::Tensor> groups;
  for (int g = 0; g < 3; ++g) {
    at::Tensor group = at::randn({20, 10}, at::kDouble);
    group.select(1, g).add_(30);
    groups.push_back(group);
  }
  const at::Tensor map = neighbour_map(at::cat(groups), 10);
  for (std::int64_t i = 0; i < 60; ++i) {
    at::Tensor distances = (map - map[i]).square().sum(1);
    distances[i] = INFINITY;
    EXPECT_EQ(distances.argmin().item<std::int64_t>() / 20, i / 20);
  }
  EXPECT_TRUE(at::equal(map, neighbour_map(at::cat(groups), 10)));  // no chance in it
}

TEST(FeatureMap, SmallAndEqualSetsGiveAMapToo) {
  const at::Tensor same = at::tensor({1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0}, at::kDouble).view({5, 2});
  EXPECT_EQ(neighbour_map(same).abs().sum().item<double>(), 0);
  EXPECT_EQ(neighbour_map(at::randn({2, 3})).sizes(), (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(error_of<DataError>([&] {
              principal_map(at::tensor({1.0, NAN, 1.0, 1.0}).view({2, 2}));
            }),
            "a map of features: some are NaN or infinite");
  EXPECT_EQ(error_of<DataError>([&] { principal_map(at::randn({1, 2})); }), "a map of features wants two samples at least");
}

TEST(FeatureMap, NearestByCosineAndNotByLength) {
  const at::Tensor x = at::tensor({1.0, 0.0, 100.0, 1.0, 0.9, 0.5, 0.0, 1.0}, at::kDouble).view({4, 2});
  EXPECT_EQ(nearest_rows(x, {0, 3}, 2), (std::vector<std::vector<std::int64_t>>{{1, 2}, {2, 1}}));
  EXPECT_EQ(nearest_rows(x, {0}, 9)[0].size(), 3U);
}

}  // namespace
}  // namespace emotion
