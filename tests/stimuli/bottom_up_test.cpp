#include "emotion/stimuli/bottom_up.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/bottom_up_weights.h"
#include "../support/detector_weights.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/stimuli/roi_pool.h"

namespace emotion {
namespace {

BottomUp small_network() {
  BottomUp network(BottomUpOptions{.blocks = {1, 1, 1, 1}, .classes = 5, .attributes = 3});
  fill_bottom_up(*network);
  network->eval();
  return network;
}

void expect_near(const at::Tensor& found, const nlohmann::json& expected, double tolerance, const char* what) {
  const at::Tensor want = at::tensor(expected.get<std::vector<float>>());
  ASSERT_EQ(found.numel(), want.numel()) << what;
  EXPECT_LE((found.flatten() - want).abs().max().item<float>(), tolerance) << what;
}

// tests/reference/make_bottom_up_golden.py: the same arithmetic written a second time, in NumPy.
TEST(BottomUp, IsTheReferencesArithmetic) {
  const auto golden = nlohmann::json::parse(read_file(std::string(EMOTION_TEST_DATA) + "/fixtures/bottom_up.json"));
  BottomUp network = small_network();
  DetectorTransform transform = network->transform();
  transform.min_size = 120;
  transform.max_size = 180;
  BottomUpOptions options = network->options();
  options.transform = transform;
  BottomUp resized_network(options);
  load_module_state(*resized_network, module_state(*network), "weights");
  resized_network->eval();
  const auto found = resized_network->detect(detector_input({detector_picture(60, 80, 0.5)}, transform), true)[0];
  expect_near(found.boxes, golden["boxes"], 0.02, "boxes");
  expect_near(found.scores, golden["scores"], 1e-4, "scores");
  const auto ids = [](const at::Tensor& t) {
    return nlohmann::json(
        std::vector<std::int64_t>(t.const_data_ptr<std::int64_t>(), t.const_data_ptr<std::int64_t>() + t.numel()));
  };
  EXPECT_EQ(ids(found.labels.contiguous()), golden["labels"]);
  EXPECT_EQ(ids(found.attributes.contiguous()), golden["attributes"]);
  expect_near(found.features.mean(1), golden["feature_means"], 1e-3, "features");
  expect_near(found.features[0].narrow(0, 0, 16), golden["first_feature"], 5e-3, "first feature");
}

/// How many regions stay of two proposals that are alike but for `apart` pixels: 7 wide in the network's 16 x 16, of equal
/// scores. `side`: of the square picture as it was.
std::int64_t regions_that_stay(std::int64_t side, float apart) {
  BottomUpOptions options{.blocks = {1, 1, 1, 1}, .classes = 1, .attributes = 0, .proposal_side = 0.1, .least = 0};
  options.transform.min_size = options.transform.max_size = 16;
  BottomUp network(options);
  network->eval();
  const auto set = [&](const char* name, const at::Tensor& value) { network->named_parameters()[name].data().copy_(value); };
  // The map is one cell: what every anchor proposes is the bias alone. encode() counts a pixel that decode() does not.
  std::vector<float> wanted;
  for (int anchor = 0; anchor < 12; ++anchor) {
    const float left = anchor % 2 == 0 ? 0 : apart;
    wanted.insert(wanted.end(), {left, 0, left + 6, 14});
  }
  const at::Tensor offsets = BoxCoder{.side = 1}.encode(at::tensor(wanted).view({12, 4}), BottomUpImpl::cell_anchors());
  set("rpn.offsets.weight", at::zeros({1}));
  set("rpn.offsets.bias", offsets.flatten());
  set("roi_heads.cls_score.weight", at::zeros({1}));
  set("roi_heads.cls_score.bias", at::tensor({0.F, 2.F}));
  return network->detect(detector_input({at::zeros({3, side, side})}, options.transform), false)[0].boxes.size(0);
}

// A side counts a pixel more, and pixels differ in size. Of the network's: (8 - 5) / (8 + 5) = 0.23 and (8 - 4) / (8 + 4) = 0.33.
// Of a picture a quarter as large: (11 - 5) / (11 + 5) = 0.38; four times as large: (29 - 16) / (29 + 16) = 0.29.
TEST(BottomUp, RegionsOverlapInPixelsOfThePictureAsItWas) {
  EXPECT_EQ(regions_that_stay(4, 5), 1);
  EXPECT_EQ(regions_that_stay(64, 4), 2);
}

// detectron2's names, "none" last (airsplay) or first with two objectness numbers an anchor (MILVLG): the same network again.
TEST(BottomUp, ConversionsAreTheSameNetwork) {
  BottomUp network = small_network();
  const StateDict own = module_state(*network);
  for (const bool airsplay : {true, false}) {
    const StateDict foreign = detectron_weights(own, airsplay);
    EXPECT_TRUE(is_bottom_up(foreign));
    const StateDict imported = import_bottom_up(foreign, "file");
    const BottomUpOptions options = bottom_up_options(imported, "file");
    EXPECT_EQ(options.classes, 5);
    EXPECT_EQ(options.attributes, 3);
    EXPECT_EQ(options.blocks, (std::array<int, 4>{1, 1, 1, 1}));
    BottomUp again(options);
    load_module_state(*again, imported, "file");
    for (const auto& [name, tensor] : module_state(*again).entries)
      EXPECT_TRUE(at::allclose(tensor, *own.find(name), 1e-5, 1e-6)) << name << " " << airsplay;
  }
}

TEST(BottomUp, WhatIsMissingIsNamed) {
  StateDict state;
  EXPECT_FALSE(is_bottom_up(state));
  EXPECT_EQ(error_of<WeightsError>([&] { import_bottom_up(state, "a.pth"); }),
            "a.pth: roi_heads.box_predictor.cls_score and bbox_pred are missing");
  StateDict part;
  part.add("roi_heads.box_predictor.cls_score.weight", at::zeros({3, 4}));
  part.add("roi_heads.box_predictor.bbox_pred.weight", at::zeros({8, 4}));
  EXPECT_EQ(error_of<WeightsError>([&] { import_bottom_up(part, "a.pth"); }),
            "a.pth: proposal_generator.rpn_head.anchor_deltas.weight is missing or misshapen");
  part.add("proposal_generator.rpn_head.anchor_deltas.weight", at::zeros({8, 4, 1, 1}));
  part.add("roi_heads.box_predictor.cls_score.bias", at::zeros({}));
  EXPECT_EQ(error_of<WeightsError>([&] { import_bottom_up(part, "a.pth"); }),
            "a.pth: roi_heads.box_predictor.cls_score.bias is a single number");
  EXPECT_EQ(error_of<WeightsError>([&] { bottom_up_options(state, "a.pth"); }), "a.pth: roi_heads.cls_score.weight is missing");
}

TEST(BottomUp, LengthsOfWeightsWithoutNumbersAreNoSizes) {
  StateDict state = module_state(*small_network());
  const auto error_with = [&](const std::string& name, at::IntArrayRef shape) {
    StateDict changed = state;
    for (auto& entry : changed.entries) {
      if (entry.name == name) entry.tensor = at::empty(shape);
    }
    return error_of<WeightsError>([&] { bottom_up_options(changed, "a.pth"); });
  };
  constexpr std::int64_t kLong = std::int64_t{1} << 40;
  EXPECT_EQ(error_with("roi_heads.cls_score.weight", {kLong, 0}),
            "a.pth: roi_heads.cls_score.weight has shape [1099511627776, 0], [1 or more, 2048] is wanted");
  EXPECT_EQ(error_with("attributes.embedding.weight", {0, kLong}),
            "a.pth: attributes.embedding.weight has shape [0, 1099511627776], [6, 1 or more] is wanted");
  EXPECT_EQ(error_with("attributes.hidden.weight", {kLong, 0}),
            "a.pth: attributes.hidden.weight has shape [1099511627776, 0], [1 or more, 2304] is wanted");
  EXPECT_EQ(error_with("attributes.score.weight", {kLong, 0}),
            "a.pth: attributes.score.weight has shape [1099511627776, 0], [1 or more, 512] is wanted");
  EXPECT_EQ(error_with("backbone.layer3.0.conv1.weight", {0}),
            "a.pth: backbone.layer3.0.conv1.weight has shape [0], [256, 1 or more, 1, 1] is wanted");
}

// A map that counts up: the most of a bin is its last pixel. Box 0 .. 48 at stride 16 are pixels 0 .. 3, two bins of two.
TEST(RoiMaxPool, ByHand) {
  const at::Tensor map = at::arange(64, at::kFloat).view({1, 1, 8, 8});
  const at::Tensor boxes = at::tensor({0.F, 0.F, 0.F, 48.F, 48.F, 0.F, 112.F, 112.F, 200.F, 200.F}).view({2, 5});
  const at::Tensor out = roi_max_pool(map, boxes, 1.0 / 16, 2);
  EXPECT_TRUE(out[0].flatten().equal(at::tensor({9.F, 11.F, 25.F, 27.F}))) << out;
  EXPECT_TRUE(out[1].flatten().equal(at::tensor({63.F, 0.F, 0.F, 0.F}))) << out;  // the rest lies outside
}

}  // namespace
}  // namespace emotion
