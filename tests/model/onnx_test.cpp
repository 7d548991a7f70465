// The ONNX files run in OpenCV's own interpreter and must give what LibTorch gives; all networks, and a free batch, are checked
// with onnxruntime by tests/reference/check_convert.py.
#include "emotion/model/onnx.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/utils.h>
#include <opencv2/dnn.hpp>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"

namespace emotion {
namespace {

/// Norms with statistics of their own, so that a mistake in them shows.
void stir(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (auto& item : module.named_buffers()) {
    if (item.key().ends_with("running_mean")) item.value().normal_(0, 0.1);
    if (item.key().ends_with("running_var")) item.value().uniform_(0.5, 1.5);
  }
  module.eval();
}

at::Tensor run(const std::filesystem::path& file, const at::Tensor& images, const std::string& output) {
  cv::dnn::Net net = cv::dnn::readNetFromONNX(file.string());
  std::vector<int> sizes;
  for (const std::int64_t size : images.sizes()) sizes.push_back(static_cast<int>(size));
  net.setInput(cv::Mat(sizes, CV_32F, images.data_ptr()));
  const cv::Mat result = net.forward(output);
  return at::from_blob(result.data, {result.size[0], result.size[1]}, at::kFloat).clone();
}

TEST(Onnx, AClassifierGivesTheSameInOpenCv) {
  const at::NoGradGuard no_grad;
  const ScratchFolder folder;
  torch::manual_seed(1);
  ImageClassifier network("resnet18", 5);
  stir(*network);
  write_onnx_classifier(folder.path() / "c.onnx", module_state(*network), {{"task", "classifier"}});
  const at::Tensor images = at::randn({2, 3, 64, 96});
  EXPECT_LT((run(folder.path() / "c.onnx", images, "logits") - network->forward(images)).abs().max().item<float>(), 1e-4);
}

TEST(Onnx, EmotionNetHasBothOutputs) {
  const at::NoGradGuard no_grad;
  const ScratchFolder folder;
  torch::manual_seed(2);
  for (const Head head : {Head::kTwoBranch, Head::kJoint}) {
    EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .head = head, .classes = 4, .embedding = 6});
    stir(*network);
    const auto file = folder.path() / "e.onnx";
    write_onnx_emotion_net(file, module_state(*network), head, {});
    const at::Tensor images = at::randn({3, 3, 32, 32});
    const EmotionNetOutput expected = network->forward(images);
    EXPECT_LT((run(file, images, "logits") - expected.logits).abs().max().item<float>(), 1e-4);
    EXPECT_LT((run(file, images, "projection") - expected.projection).abs().max().item<float>(), 1e-4);
  }
}

TEST(Onnx, AMissingTensorIsNamed) {
  const ScratchFolder folder;
  StateDict state;
  state.add("embedding.weight", at::rand({5, 3}));
  EXPECT_EQ(error_of<Error>([&] { write_onnx_textcnn(folder.path() / "t.onnx", state, 100, {}); }),
            "ONNX: the network has no tensor conv.weight");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "t.onnx"));
}

}  // namespace
}  // namespace emotion
