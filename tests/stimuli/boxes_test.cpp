#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "emotion/random.h"
#include "emotion/stimuli/anchors.h"
#include "emotion/stimuli/boxes.h"
#include "emotion/stimuli/detector_input.h"
#include "emotion/stimuli/nms.h"

namespace emotion {
namespace {

at::Tensor boxes(std::initializer_list<float> numbers) { return at::tensor(std::vector<float>(numbers)).view({-1, 4}); }
void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance = 1e-5) {
  EXPECT_TRUE(at::allclose(a, b, 0, tolerance)) << a << "\n" << b;
}

// Reference 10 wide, 20 high around (15, 30); box 20 wide, 10 high around (20, 25): dx = 5 / 10, dy = -5 / 20, ln 2, -ln 2.
TEST(BoxCoder, EncodesAndDecodesByHand) {
  const at::Tensor reference = boxes({10, 20, 20, 40}), box = boxes({10, 20, 30, 30});
  const float ln2 = std::log(2.0F);
  expect_close(BoxCoder{}.encode(box, reference), boxes({0.5F, -0.25F, ln2, -ln2}));
  const BoxCoder weighted{.weights = {10, 10, 5, 5}};
  expect_close(weighted.encode(box, reference), boxes({5, -2.5F, 5 * ln2, -5 * ln2}));
  expect_close(weighted.decode(weighted.encode(box, reference), reference).squeeze(1), box);
}

TEST(BoxCoder, HoldsHugeSidesBelowAThousandSixteenths) {
  const at::Tensor decoded = BoxCoder{}.decode(boxes({0, 0, 100, -100}), boxes({0, 0, 16, 16})).squeeze(1);
  expect_close(decoded, boxes({8 - 500, 8, 8 + 500, 8}), 1e-2);
}

// Caffe counts pixels: 0 .. 15 is 16 wide.
TEST(BoxCoder, CountsPixelsAsCaffeDoes) {
  const BoxCoder coder{.side = 1};
  const at::Tensor reference = boxes({0, 0, 15, 15}), box = boxes({8, 0, 39, 15});
  expect_close(coder.encode(box, reference), boxes({1, 0, std::log(2.0F), 0}));
}

// bbox_transform_inv: centre 8, half of 16, and no pixel taken off.
TEST(BoxCoder, DecodesToTheFarEdgeAsCaffeDoes) {
  expect_close(BoxCoder{.side = 1}.decode(at::zeros({1, 4}), boxes({0, 0, 15, 15})).squeeze(1), boxes({0, 0, 16, 16}));
}

TEST(Boxes, ClipResizeAndOverlap) {
  expect_close(clip_boxes(boxes({-5, 3, 120, 60}), {50, 100}), boxes({0, 3, 100, 50}));
  expect_close(resize_boxes(boxes({10, 10, 20, 20}), {50, 100}, {100, 300}), boxes({30, 20, 60, 40}));
  // Shared 5 x 5 of 100 + 100 - 25.
  expect_close(box_iou(boxes({0, 0, 10, 10}), boxes({5, 5, 15, 15, 20, 20, 30, 30, 0, 0, 10, 10})),
               at::tensor({25.0F / 175, 0.0F, 1.0F}).view({1, 3}));
  EXPECT_TRUE(large_boxes(boxes({0, 0, 1, 0.001F, 0, 0, 1, 1}), 0.01).equal(at::tensor({1}, at::kLong)));
}

// Size 8, height / width 0.5: 11.3 x 5.7, halved and rounded: 6 and 3.
TEST(Anchors, AreTorchvisions) {
  expect_close(cell_anchors({8}, {0.5, 1, 2}), boxes({-6, -3, 6, 3, -4, -4, 4, 4, -3, -6, 3, 6}));
  const at::Tensor grid = grid_anchors(boxes({-1, -2, 1, 2}), {2, 3}, {10, 4});
  ASSERT_EQ(grid.size(0), 6);
  expect_close(grid.narrow(0, 0, 3), boxes({-1, -2, 1, 2, 3, -2, 5, 2, 7, -2, 9, 2}));
  expect_close(grid.narrow(0, 3, 1), boxes({-1, 8, 1, 12}));
}

// The list printed in py-faster-rcnn's generate_anchors.py.
TEST(Anchors, AreCaffes) {
  expect_close(caffe_cell_anchors(16, {0.5, 1, 2}, {8, 16, 32}),
               boxes({-84, -40, 99,   55,   -176, -88, 191, 103, -360, -184, 375, 199,  -56, -56, 71,   71,   -120, -120,
                      135, 135, -248, -248, 263,  263, -36, -80, 51,   95,   -80, -168, 95,  183, -168, -344, 183,  359}));
}

TEST(Nms, KeepsTheBetterOfTwoThatOverlap) {
  // 0 and 1 share 50 of 150: 0.333; 2 shares nothing.
  const at::Tensor b = boxes({0, 0, 10, 10, 5, 0, 15, 10, 40, 40, 50, 50}), scores = at::tensor({0.5F, 0.9F, 0.7F});
  EXPECT_TRUE(nms(b, scores, 0.3).equal(at::tensor({1, 2}, at::kLong)));
  EXPECT_TRUE(nms(b, scores, 0.34).equal(at::tensor({1, 2, 0}, at::kLong)));
  EXPECT_TRUE(batched_nms(b, scores, at::tensor({0, 1, 0}, at::kLong), 0.3).equal(at::tensor({1, 2, 0}, at::kLong)));
  EXPECT_EQ(nms(at::zeros({0, 4}), at::zeros({0}), 0.5).size(0), 0);
}

// Exactly at the threshold a box stays; equal scores keep their order.
TEST(Nms, AtTheThresholdAndWithEqualScores) {
  const at::Tensor b = boxes({0, 0, 10, 10, 0, 0, 10, 5, 0, 0, 10, 10});
  EXPECT_TRUE(nms(b, at::tensor({0.5F, 0.5F, 0.5F}), 0.5).equal(at::tensor({0, 1}, at::kLong)));
}

// Against the definition, over many random boxes: none kept overlaps a better kept one, every other does.
TEST(Nms, HoldsItsDefinition) {
  Random random{3};
  std::vector<float> corners, values;
  std::vector<std::int64_t> groups;
  for (int i = 0; i < 400; ++i) {
    const auto x = static_cast<float>(random.uniform(0, 80)), y = static_cast<float>(random.uniform(0, 80));
    for (const float v : {x, y, x + static_cast<float>(random.uniform(1, 30)), y + static_cast<float>(random.uniform(1, 30))})
      corners.push_back(v);
    values.push_back(static_cast<float>(random.uniform()));
    groups.push_back(static_cast<std::int64_t>(random.below(3)));
  }
  const at::Tensor b = at::tensor(corners).view({-1, 4}), scores = at::tensor(values), group = at::tensor(groups);
  const at::Tensor kept = batched_nms(b, scores, group, 0.4), overlap = box_iou(b, b);
  at::Tensor is_kept = at::zeros({400}, at::kBool);
  is_kept.index_fill_(0, kept, true);
  for (std::int64_t i = 0; i < 400; ++i) {
    const at::Tensor better = scores.gt(scores[i]).logical_and(is_kept).logical_and(group.eq(group[i]));
    const bool covered = overlap[i].gt(0.4).logical_and(better).any().item<bool>();
    EXPECT_NE(covered, is_kept[i].item<bool>()) << i;
  }
  EXPECT_TRUE(std::get<0>(scores.index_select(0, kept).sort(0, true)).equal(scores.index_select(0, kept)));
}

TEST(DetectorInput, SizesAndPadding) {
  const DetectorTransform transform{.min_size = 800, .max_size = 1333};
  EXPECT_EQ(resized({480, 640}, transform), (ImageSize{800, 1066}));
  EXPECT_EQ(resized({300, 1200}, transform), (ImageSize{333, 1333}));  // the longer side decides
  EXPECT_EQ(resized({1, 1}, transform), (ImageSize{800, 800}));
  EXPECT_EQ(resized({1, 100000}, transform), (ImageSize{1, 1333}));
  const DetectorTransform caffe{
      .min_size = 600, .max_size = 1000, .mean = {102.9801F, 115.9465F, 122.7717F}, .std = {1, 1, 1}, .caffe = true};
  EXPECT_EQ(resized({480, 641}, caffe), (ImageSize{600, 801}));
  const DetectorInput input =
      detector_input({at::full({3, 4, 3}, 255, at::kByte), at::zeros({3, 40, 20})}, {.min_size = 40, .max_size = 60});
  EXPECT_EQ(input.images.sizes(), at::IntArrayRef({2, 3, 64, 64}));
  EXPECT_EQ(input.sizes[0], (ImageSize{40, 53}));
  EXPECT_EQ(input.original[0], (ImageSize{3, 4}));
  EXPECT_EQ(input.sizes[1], (ImageSize{60, 30}));
  EXPECT_NEAR(input.images[0][0][5][5].item<float>(), (1 - 0.485) / 0.229, 1e-5);
  EXPECT_EQ(input.images[0][0][50][5].item<float>(), 0);
}

// One red pixel: BGR 0 0 255.
TEST(DetectorInput, CaffesBlueComesFirst) {
  const at::Tensor red = at::tensor({255, 0, 0}, at::kByte).view({1, 1, 3});
  const DetectorTransform caffe{.min_size = 1, .max_size = 1, .mean = {1, 2, 3}, .std = {1, 1, 1}, .caffe = true, .divisible = 1};
  expect_close(detector_input({red}, caffe).images.flatten(), at::tensor({-1.0F, -2.0F, 252.0F}));
}

}  // namespace
}  // namespace emotion
