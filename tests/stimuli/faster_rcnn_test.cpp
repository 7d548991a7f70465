#include "emotion/stimuli/faster_rcnn.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <nlohmann/json.hpp>

#include "../support/detector_weights.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/file.h"

// Same weights, same picture: torchvision's boxes, scores, classes and box features (tests/reference/make_detector_goldens.py).
namespace emotion {
namespace {

const nlohmann::json& golden() {
  static const auto json = nlohmann::json::parse(read_file(std::string(EMOTION_TEST_DATA) + "/fixtures/detector.json"));
  return json;
}

FasterRCNN network(const std::string& backbone, std::int64_t classes, std::int64_t min_size, std::int64_t max_size,
                   double anchor) {
  FasterRCNN made(FasterRCNNOptions{.backbone = backbone,
                                    .classes = classes,
                                    .anchor_size = anchor,
                                    .transform = {.min_size = min_size, .max_size = max_size}});
  fill_detector(*made);
  made->eval();
  return made;
}

void expect_near(const at::Tensor& found, const nlohmann::json& expected, double tolerance, const char* what) {
  const at::Tensor want = at::tensor(expected.get<std::vector<float>>());
  ASSERT_EQ(found.numel(), want.numel()) << what;
  if (want.numel() == 0) return;
  EXPECT_LE((found.flatten() - want).abs().max().item<float>(), tolerance) << what;
}

void compare(const Detections& found, const nlohmann::json& expected) {
  expect_near(found.boxes, expected["boxes"], 0.02, "boxes");
  expect_near(found.scores, expected["scores"], 2e-5, "scores");
  EXPECT_EQ(nlohmann::json(std::vector<std::int64_t>(found.labels.const_data_ptr<std::int64_t>(),
                                                     found.labels.const_data_ptr<std::int64_t>() + found.labels.numel())),
            expected["labels"]);
  expect_near(found.features.sum(1) / found.features.size(1), nlohmann::json([&] {
                std::vector<double> means;
                for (const auto& sum : expected["feature_sums"]) means.push_back(sum.get<double>() / 1024);
                return means;
              }()),
              1e-4, "features");
  expect_near(found.features[0].narrow(0, 0, 16), expected["first_feature"], 1e-3, "first feature");
}

// The golden is of each picture alone.
TEST(FasterRCNN, ResNet18BatchOfTwoSizesAsTorchvision) {
  FasterRCNN detector = network("resnet18", 5, 96, 128, 8);
  const DetectorInput input = detector_input({detector_picture(75, 100, 0), detector_picture(96, 64, 1)}, detector->transform());
  const auto found = detector->detect(input, true);
  for (std::size_t i = 0; i < 2; ++i) compare(found[i], golden()["resnet18"][i]);
}

TEST(FasterRCNN, ResNet50AsTorchvision) {
  FasterRCNN detector = network("resnet50", 90, 160, 213, 32);
  compare(detector->detect(detector_input({detector_picture(90, 120, 2.25)}, detector->transform()), true)[0],
          golden()["resnet50"][0]);
}

TEST(FasterRCNN, PicturesOfOnePixelAndOfOneColour) {
  FasterRCNN detector = network("resnet18", 5, 32, 64, 8);
  const auto found = detector->detect(detector_input({at::zeros({3, 1, 1}), at::ones({3, 3, 200})}, detector->transform()), true);
  for (const Detections& one : found) {
    EXPECT_EQ(one.features.sizes(), at::IntArrayRef({one.boxes.size(0), 1024}));
    EXPECT_TRUE(one.boxes.isfinite().all().item<bool>());
    if (one.boxes.size(0) == 0) continue;
    EXPECT_LE(one.boxes.select(1, 2).max().item<float>(), 200.01F);
  }
}

TEST(FasterRCNN, FrozenNormsStayFrozenAndEarlyLayersUntrained) {
  FasterRCNN detector(FasterRCNNOptions{.backbone = "resnet18", .classes = 1, .channels = 16, .head = 32, .trainable_layers = 3});
  detector->train();
  for (const auto& item : detector->named_modules("", false)) {
    if (!item.value()->as<torch::nn::BatchNorm2dImpl>()) continue;
    EXPECT_FALSE(item.value()->is_training()) << item.key();
  }
  const auto parameters = detector->named_parameters();
  EXPECT_FALSE(parameters["backbone.body.conv1.weight"].requires_grad());
  EXPECT_FALSE(parameters["backbone.body.layer1.0.conv1.weight"].requires_grad());
  EXPECT_TRUE(parameters["backbone.body.layer2.0.conv1.weight"].requires_grad());
  EXPECT_FALSE(parameters["backbone.body.layer2.0.bn1.weight"].requires_grad());
  EXPECT_TRUE(parameters["roi_heads.box_head.fc6.weight"].requires_grad());
}

TEST(FasterRCNN, OldNamesAndTodaysAreOneNetwork) {
  StateDict old;
  for (const char* name :
       {"rpn.head.conv.weight", "rpn.head.conv.bias", "backbone.fpn.inner_blocks.0.weight", "backbone.fpn.layer_blocks.3.bias",
        "backbone.fpn.inner_blocks.1.0.weight", "backbone.body.conv1.weight"})
    old.add(name, at::zeros({1}));
  std::vector<std::string> names;
  for (const auto& entry : with_current_names(old).entries) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"rpn.head.conv.0.0.weight", "rpn.head.conv.0.0.bias",
                                             "backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.layer_blocks.3.0.bias",
                                             "backbone.fpn.inner_blocks.1.0.weight", "backbone.body.conv1.weight"}));
}

TEST(FasterRCNN, NeedsAResNetAndClasses) {
  EXPECT_EQ(error_of<ConfigError>([] { FasterRCNN(FasterRCNNOptions{.backbone = "vgg16", .classes = 2}); }),
            "a feature pyramid needs a ResNet as backbone");
  EXPECT_EQ(error_of<ConfigError>([] { FasterRCNN(FasterRCNNOptions{.backbone = "resnet18"}); }),
            "a detector needs at least one class");
}

}  // namespace
}  // namespace emotion
