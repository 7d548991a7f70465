// The detectors' ONNX files, run operator by operator, find what detect() finds. tests/reference/check_convert.py does the same
// with onnxruntime beside torchvision.
#include "emotion/stimuli/detector_onnx.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "../support/detector_weights.h"
#include "../support/onnx_run.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/stimuli/bottom_up.h"

namespace emotion {
namespace {

OnnxRun exported(const RegionDetector& network) {
  const ScratchFolder folder;
  write_onnx_detector(folder.path() / "d.onnx", network, {{"task", "detector"}});
  return OnnxRun(folder.path() / "d.onnx");
}

at::Tensor sizes_of(const DetectorInput& input) {
  std::vector<std::int64_t> sizes;
  for (const ImageSize& size : input.sizes) sizes.insert(sizes.end(), {size.height, size.width});
  return at::tensor(sizes, at::kLong).view({-1, 2});
}

void expect_close(const at::Tensor& made, const at::Tensor& expected, double tolerance, const char* what) {
  ASSERT_EQ(made.sizes(), expected.sizes()) << what;
  if (made.numel() == 0) return;
  EXPECT_LE((made - expected).abs().max().item<double>(), tolerance) << what;
}

/// The regions of one picture among those of all.
void compare(const OnnxRun::Tensors& made, std::int64_t picture, const Detections& found) {
  const at::Tensor rows = made.at("pictures").eq(picture).nonzero().flatten();
  const auto own = [&](const char* name) { return made.at(name).index_select(0, rows); };
  expect_close(own("boxes"), found.boxes, 1e-2, "boxes");
  expect_close(own("scores"), found.scores, 1e-4, "scores");
  ASSERT_TRUE(own("labels").equal(found.labels));
  expect_close(own("features"), found.features, 1e-3, "features");
}

FasterRCNN faster_rcnn(std::int64_t min_size, std::int64_t detections, double threshold) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18",
                                       .classes = 5,
                                       .channels = 16,
                                       .head = 24,
                                       .anchor_size = 8,
                                       .norm_eps = 1e-3,
                                       .transform = {.min_size = min_size, .max_size = 128},
                                       .proposals = 40,
                                       .score_threshold = threshold,
                                       .detections = detections});
  fill_detector(*network);
  network->eval();
  return network;
}

// Sides of 96 x 128 and 89 x 128 or so: in a batch none is padded further than alone.
TEST(DetectorOnnx, FasterRcnnOnPicturesOfTwoSizes) {
  const at::NoGradGuard no_grad;
  FasterRCNN network = faster_rcnn(96, 7, 0.05);
  const OnnxRun file = exported(*network);
  for (const auto& pictures :
       {std::vector{detector_picture(75, 100, 0), detector_picture(70, 100, 1), detector_picture(80, 119, 2)},
        std::vector{detector_picture(64, 64, 3)}}) {
    DetectorInput input = detector_input(pictures, network->transform());
    input.original = input.sizes;  // the file's boxes are pixels of the batch
    const auto expected = network->detect(input, true);
    const auto made = file.run({{"images", input.images}, {"sizes", sizes_of(input)}});
    std::int64_t count = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      ASSERT_GT(expected[i].boxes.size(0), 0);
      compare(made, static_cast<std::int64_t>(i), expected[i]);
      count += expected[i].boxes.size(0);
    }
    EXPECT_EQ(made.at("boxes").size(0), count);
    // Picture by picture, as the pictures stood.
    EXPECT_TRUE(made.at("pictures").equal(std::get<0>(made.at("pictures").sort())));
  }
}

TEST(DetectorOnnx, NothingFoundIsAnEmptyList) {
  const at::NoGradGuard no_grad;
  FasterRCNN network = faster_rcnn(64, 7, 0.9999);
  const DetectorInput input = detector_input({detector_picture(64, 64, 0)}, network->transform());
  const auto made = exported(*network).run({{"images", input.images}, {"sizes", sizes_of(input)}});
  EXPECT_EQ(made.at("boxes").sizes(), at::IntArrayRef({0, 4}));
  EXPECT_EQ(made.at("features").sizes(), at::IntArrayRef({0, 24}));
}

TEST(DetectorOnnx, BottomUpAttention) {
  const at::NoGradGuard no_grad;
  BottomUpOptions options{.blocks = {1, 1, 1, 1}, .classes = 5, .attributes = 3, .proposals = 20};
  options.transform.min_size = 120;
  options.transform.max_size = 180;
  BottomUp network(options);
  fill_bottom_up(*network);
  network->eval();
  const OnnxRun file = exported(*network);
  const DetectorInput input = detector_input({detector_picture(60, 80, 0.5)}, network->transform());
  const Detections expected = network->detect(input, true)[0];
  ASSERT_GE(expected.boxes.size(0), 10);
  const double scale = resize_scale(input.original[0], network->transform());
  const auto made = file.run({{"images", input.images}, {"scale", at::tensor({static_cast<float>(scale)})}});
  expect_close(made.at("boxes") / scale, expected.boxes, 1e-2, "boxes");
  expect_close(made.at("scores"), expected.scores, 1e-4, "scores");
  EXPECT_TRUE(made.at("labels").equal(expected.labels));
  EXPECT_TRUE(made.at("attributes").equal(expected.attributes));
  expect_close(made.at("features"), expected.features, 1e-3, "features");
}

}  // namespace
}  // namespace emotion
