// ONNX files that emotion_convert makes of a checkpoint of every kind, run elsewhere: by OpenCV where it can, else operator by
// operator. tests/reference/check_convert.py does the same with onnxruntime.
#include <opencv2/dnn.hpp>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "../support/commands.h"
#include "../support/detector_weights.h"
#include "../support/networks.h"
#include "../support/onnx_run.h"
#include "../support/scratch.h"
#include "emotion/io/weights.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/onnx.h"
#include "emotion/model/stimuli_net.h"
#include "emotion/stimuli/faster_rcnn.h"
#include "emotion/text/textcnn.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

class ConvertOnnxTest : public ::testing::Test {
 protected:
  /// The file that the command makes of a checkpoint with the network's weights.
  fs::path convert(torch::nn::Module& network, const ModelInfo& info) const {
    network.eval();
    write_network(folder_.path() / "model.safetensors", network, info);
    const Process::Result result = command(folder_.path(), {"emotion_convert", "model.safetensors", "model.onnx"});
    EXPECT_EQ(result.code, 0) << result.errors;
    fs::remove(folder_.path() / "model.safetensors");
    return folder_.path() / "model.onnx";
  }
  static at::Tensor open_cv(const fs::path& file, const at::Tensor& images, const std::string& output) {
    cv::dnn::Net net = cv::dnn::readNetFromONNX(file.string());
    const std::vector<int> sizes(images.sizes().begin(), images.sizes().end());
    net.setInput(cv::Mat(sizes, CV_32F, images.data_ptr()));
    const cv::Mat result = net.forward(output);
    return at::from_blob(result.data, {result.size[0], result.size[1]}, at::kFloat).clone();
  }
  /// The largest difference, relative to the largest value where that is above 1.
  static double difference(const at::Tensor& made, const at::Tensor& expected) {
    EXPECT_EQ(made.sizes(), expected.sizes());
    return (made - expected).abs().max().item<double>() / std::max(1.0, expected.abs().max().item<double>());
  }
  static ModelInfo info(const std::string& task, const std::string& model, std::vector<std::string> classes) {
    return {.task = task, .config = fmt::format("{{task: {}, model: {}}}", task, model), .classes = std::move(classes)};
  }

  at::NoGradGuard no_grad_;
  ScratchFolder folder_;
};

TEST_F(ConvertOnnxTest, ThreeBranches) {
  EmotionNet network(
      EmotionNetOptions{.backbone = "resnet18", .head = Head::kThreeBranch, .classes = 4, .extra_classes = 3, .embedding = 6});
  fill_by_noise(*network);
  const fs::path file = convert(*network, info("emotionnet", "{backbone: resnet18, head: three_branch}", {"a", "b", "c", "d"}));
  const at::Tensor images = at::randn({3, 3, 64, 48});
  const EmotionNetOutput expected = network->forward(images);
  EXPECT_LT(difference(open_cv(file, images, "logits"), expected.logits), 1e-4);
  EXPECT_LT(difference(open_cv(file, images, "projection"), expected.projection), 1e-4);
  EXPECT_LT(difference(open_cv(file, images, "extra_logits"), expected.extra_logits), 1e-4);
}

TEST_F(ConvertOnnxTest, AStemForGreyPictures) {
  ImageClassifier network("resnet18", 3, 1);
  fill_by_noise(*network);
  const fs::path file = convert(*network, info("classifier", "{backbone: resnet18, channels: 1}", {"a", "b", "c"}));
  const at::Tensor images = at::randn({2, 3, 64, 64});
  EXPECT_LT(difference(OnnxRun(file).run({{"images", images}}).at("logits"), network->forward(images)), 1e-4);
}

TEST_F(ConvertOnnxTest, VggAndAlexNet) {
  for (const std::string name : {"alexnet", "vgg16"}) {
    at::manual_seed(3);
    ImageClassifier network(name, 5);
    fs::path file = folder_.path() / "vgg16.onnx";
    if (name == "vgg16") {  // half a gigabyte: what goes from file to file is AlexNet's
      network->eval();
      write_onnx_classifier(file, module_state(*network), {});
    } else {
      file = convert(*network, info("classifier", "{backbone: alexnet}", {"a", "b", "c", "d", "e"}));
    }
    const at::Tensor images = at::randn({2, 3, 224, 224});
    EXPECT_LT(difference(open_cv(file, images, "logits"), network->forward(images)), 1e-4) << name;
  }
}

TEST_F(ConvertOnnxTest, TextCnn) {
  TextCNN network(TextCNNOptions{.vocabulary = 5, .classes = 3, .dimension = 16});
  fill_by_noise(*network);
  ModelInfo about = info("textcnn", "{}", {"a", "b", "c"});
  about.config = "{task: textcnn, text: {max_keywords: 9}}";
  about.vocabulary = {"v", "w", "x", "y", "z"};
  const OnnxRun file(convert(*network, about));
  for (const std::int64_t batch : {1, 4}) {
    const at::Tensor ids = at::randint(0, 7, {batch, 9}, at::kLong);
    EXPECT_LT(difference(file.run({{"ids", ids}}).at("logits"), network->forward(ids)), 1e-4);
  }
  // Its mean is over nine positions: a list without its padding would give other emotions.
  EXPECT_EQ(file.input_shape("ids"), (std::vector<std::int64_t>{-1, 9}));
  about.config.clear();
  EXPECT_EQ(OnnxRun(convert(*network, about)).input_shape("ids"), (std::vector<std::int64_t>{-1, 100}));
}

/// Three images: all regions and a face, no region and no face, two regions and a face.
TEST_F(ConvertOnnxTest, StimuliNet) {
  for (const bool lag : {true, false}) {
    StimuliNetOptions options{.backbone = "resnet18", .classes = 8, .classifier_bias = false, .luminance = lag};
    options.semantic_net = {.feature = 12, .attention = 7, .steps = 3, .lag = lag};
    StimuliNet network(options);
    fill_by_noise(*network);
    const fs::path path = convert(
        *network, info("stimuli",
                       fmt::format("{{backbone: resnet18, color: {}, classifier_bias: false, semantic: {{regions: 5, steps: 3, "
                                   "attention: 7, lag: {}}}}}",
                                   lag ? "y" : "rgb", lag),
                       {"a", "b", "c", "d", "e", "f", "g", "h"}));
    const at::Tensor counts = at::tensor({5, 0, 2}, at::kLong), faces = at::randn({3, 3, 48, 48});
    at::Tensor regions = at::randn({3, 5, 12});
    regions[1].zero_();
    regions[2].slice(0, 2).zero_();
    const StimuliInput input{.images = at::randn({3, 3, 64, 64}),
                             .regions = {regions, counts},
                             .faces = faces.index_select(0, at::tensor({0, 2}, at::kLong)),
                             .face_rows = at::tensor({0, 2}, at::kLong),
                             .size = 3};
    const StimuliNetOutput expected = network->forward(input);
    const auto made = OnnxRun(path).run({{"images", input.images},
                                         {"region_features", regions},
                                         {"region_counts", counts},
                                         {"faces", faces},
                                         {"has_face", at::tensor({1.0F, 0.0F, 1.0F})}});
    EXPECT_LT(difference(made.at("logits"), expected.logits), 1e-4) << lag;
    for (const std::int64_t i : {0, 2}) EXPECT_LT(difference(made.at("attention")[i], expected.attention[i]), 1e-4) << lag;
  }
}

/// A run's weights, and the same as torchvision would have saved them: no task, no config, classes without names.
TEST_F(ConvertOnnxTest, Detector) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18", .classes = 3, .channels = 16, .head = 24, .anchor_size = 32});
  fill_detector(*network);
  const DetectorInput input = detector_input({detector_picture(96, 128, 0)}, {.min_size = 96, .max_size = 128});
  const at::Tensor sizes = at::tensor({96, 128}, at::kLong).view({1, 2});
  ModelInfo trained = info("detector", "{backbone: resnet18, detector: {channels: 16, head: 24}}", {"a", "b", "c"});
  for (const ModelInfo& about : {trained, ModelInfo{}}) {
    const auto made = OnnxRun(convert(*network, about)).run({{"images", input.images}, {"sizes", sizes}});
    const Detections expected = network->detect(input, true)[0];
    ASSERT_GT(expected.boxes.size(0), 0);
    EXPECT_LT(difference(made.at("boxes"), expected.boxes), 1e-4) << about.task;
    EXPECT_LT(difference(made.at("scores"), expected.scores), 1e-4) << about.task;
    EXPECT_LT(difference(made.at("features"), expected.features), 1e-4) << about.task;
    EXPECT_TRUE(made.at("labels").equal(expected.labels)) << about.task;
  }
}

}  // namespace
}  // namespace emotion
