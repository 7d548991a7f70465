#include "emotion/stimuli/roi_align.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <nlohmann/json.hpp>

#include "emotion/io/file.h"

namespace emotion {
namespace {

at::Tensor numbers(const nlohmann::json& json) { return at::tensor(json.get<std::vector<float>>()); }

// A map whose value is 10 x + y: bilinear samples of a plane lie on it, so that a bin's mean is the plane at its middle.
TEST(RoIAlign, MeansOfAPlane) {
  const at::Tensor map = (at::arange(8).view({1, 8}) * 10 + at::arange(8).view({8, 1})).to(at::kFloat).view({1, 1, 8, 8});
  const at::Tensor box = at::tensor({0.0F, 1.0F, 2.0F, 5.0F, 6.0F}).view({1, 5});
  const at::Tensor out = roi_align(map, box, {.height = 2, .width = 2});
  EXPECT_TRUE(at::allclose(out.flatten(), at::tensor({23.0F, 43.0F, 25.0F, 45.0F}))) << out;
  const at::Tensor moved = roi_align(map, box, {.height = 2, .width = 2, .aligned = true});  // half a pixel left and up
  EXPECT_TRUE(at::allclose(moved.flatten(), at::tensor({17.5F, 37.5F, 19.5F, 39.5F}))) << moved;
}

// Outside the map by more than a pixel a sample is 0; a box smaller than a pixel counts as one.
TEST(RoIAlign, AtTheEdge) {
  const at::Tensor map = at::ones({1, 2, 4, 4});
  const RoIAlignOptions options{.height = 1, .width = 1, .sampling = 1};
  EXPECT_EQ(roi_align(map, at::tensor({0.0F, 10.0F, 10.0F, 12.0F, 12.0F}).view({1, 5}), options).sum().item<float>(), 0);
  EXPECT_EQ(roi_align(map, at::tensor({0.0F, 3.9F, 3.9F, 3.9F, 3.9F}).view({1, 5}), options).sum().item<float>(), 0);
  EXPECT_EQ(roi_align(map, at::tensor({0.0F, 3.4F, 3.4F, 3.4F, 3.4F}).view({1, 5}), options).sum().item<float>(), 2);
  EXPECT_EQ(roi_align(map, at::zeros({0, 5}), options).sizes(), at::IntArrayRef({0, 2, 1, 1}));
}

// tests/reference/make_detector_goldens.py: boxes outside and inside out, both ways of sampling, and the gradient.
TEST(RoIAlign, IsTorchvisionsForwardAndBackward) {
  const auto golden = nlohmann::json::parse(read_file(std::string(EMOTION_TEST_DATA) + "/fixtures/detector.json"));
  for (const auto& c : golden["roi_align"]) {
    const RoIAlignOptions options{.height = c["size"][0].get<std::int64_t>(),
                                  .width = c["size"][1].get<std::int64_t>(),
                                  .scale = c["scale"].get<double>(),
                                  .sampling = c["sampling"].get<std::int64_t>(),
                                  .aligned = c["aligned"].get<bool>()};
    const at::Tensor boxes = numbers(c["boxes"]).view({-1, 5});
    for (const bool gather : {false, true}) {
      const at::Tensor map = numbers(c["map"]).view({2, 3, 9, 11}).set_requires_grad(true);
      const at::Tensor out = gather ? roi_align_by_gather(map, boxes, options) : roi_align(map, boxes, options);
      const at::Tensor expected = numbers(c["out"]).view(out.sizes());
      EXPECT_TRUE(at::allclose(out, expected, 0, 2e-6)) << gather << " " << (out - expected).abs().max();
      const at::Tensor loss = (out * at::arange(out.numel()).view(out.sizes()).to(at::kFloat).sin()).sum();
      const at::Tensor gradient = torch::autograd::grad({loss}, {map})[0];
      EXPECT_TRUE(at::allclose(gradient.flatten(), numbers(c["gradient"]), 0, 5e-6)) << gather;
    }
  }
}

TEST(RoIAlign, ManyChannelsInDoubleAgreeWithTheGather) {
  at::manual_seed(4);
  const at::Tensor map = at::randn({2, 70, 13, 17}, at::kDouble), corner = at::rand({20, 2}, at::kDouble) * 10;
  const at::Tensor boxes =
      at::cat({at::randint(0, 2, {20, 1}, at::kDouble), corner, corner + at::rand({20, 2}, at::kDouble) * 9}, 1);
  for (const std::int64_t sampling : {0, 2}) {
    const RoIAlignOptions options{.height = 3, .width = 5, .scale = 0.8, .sampling = sampling};
    EXPECT_TRUE(at::allclose(roi_align(map, boxes, options), roi_align_by_gather(map, boxes, options), 0, 1e-12));
    EXPECT_TRUE(at::allclose(roi_align(map.to(at::kFloat), boxes.to(at::kFloat), options).to(at::kDouble),
                             roi_align_by_gather(map, boxes, options), 0, 1e-4));
  }
}

// On a map whose value is its column the bins are their centres, whatever the map's precision leaves of a coordinate of 1,000.
TEST(RoIAlign, CoordinatesOfAHalfMapAreNotRounded) {
  const at::Tensor map = at::arange(300, at::kFloat).remainder(16).view({1, 1, 1, 300}).expand({1, 1, 4, 300}).contiguous();
  const at::Tensor boxes = at::tensor({0.0F, 1003.3F, 0.0F, 1031.7F, 8.0F}).view({1, 5});
  const RoIAlignOptions options{.height = 1, .width = 2, .scale = 0.25, .sampling = 2};
  const at::Tensor expected = roi_align_by_gather(map, boxes, options);
  for (const auto type : {at::kBFloat16, at::kHalf})  // 0 to 15 are whole in both
    EXPECT_TRUE(at::allclose(roi_align_by_gather(map.to(type), boxes, options).to(at::kFloat), expected, 0, 1e-5)) << type;
}

TEST(RoIAlign, GradientDoesNotDependOnThreads) {
  at::manual_seed(5);
  const at::Tensor map = at::randn({1, 64, 9, 9}).set_requires_grad(true), corner = at::rand({50, 2}) * 5;
  const at::Tensor boxes = at::cat({at::zeros({50, 1}), corner, corner + 3}, 1);
  const auto gradient = [&] { return torch::autograd::grad({roi_align(map, boxes, {}).pow(2).sum()}, {map})[0].clone(); };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = gradient();
  at::set_num_threads(4);
  EXPECT_TRUE(one.equal(gradient()));
  at::set_num_threads(threads);
}

// sqrt(area) = 112 is one level below 224, which is level 4; the levels there are, are 2 to 5.
TEST(PyramidLevel, FollowsTheSizeOfTheBox) {
  const at::Tensor side = at::tensor({10.0F, 112.0F, 223.0F, 224.0F, 448.0F, 5000.0F}), zero = at::zeros({6});
  const at::Tensor level = pyramid_level(at::stack({zero, zero, side, side}, 1), 2, 4);
  EXPECT_TRUE(level.equal(at::tensor({0, 1, 1, 2, 3, 3}, at::kLong))) << level;
}

TEST(PyramidRoIAlign, ReadsEachBoxFromItsLevelInTheGivenOrder) {
  std::vector<at::Tensor> levels;
  for (std::int64_t i = 0; i < 4; ++i) levels.push_back(at::full({2, 1, 128 >> i, 128 >> i}, static_cast<float>(i)));
  const at::Tensor first = at::tensor({0.0F, 0.0F, 400.0F, 400.0F, 10.0F, 10.0F, 20.0F, 20.0F}).view({2, 4});
  const at::Tensor out =
      pyramid_roi_align(levels, {first, at::tensor({0.0F, 0.0F, 120.0F, 120.0F}).view({1, 4})}, {.height = 1, .width = 1});
  EXPECT_TRUE(out.flatten().equal(at::tensor({2.0F, 0.0F, 1.0F}))) << out;
  EXPECT_EQ(pyramid_roi_align(levels, {at::zeros({0, 4})}, {}).size(0), 0);
}

}  // namespace
}  // namespace emotion
