#include "emotion/train/visual_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "../support/networks.h"
#include "../support/scratch.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"

namespace emotion {
namespace {

class ActivationMapTest : public ::testing::Test {
 protected:
  /// Pooling and the classifier are linear: a class's map has its logit, without the bias, as mean.
  void expect_means_are_logits(const torch::nn::Module& network, const std::string& task, const std::string& head,
                               const at::Tensor& bias) {
    const at::NoGradGuard no_grad;
    const auto file = folder_.path() / "net.safetensors";
    write_network(file, network,
                  {.task = task,
                   .config = fmt::format("task: {}\nmodel: {{backbone: resnet18{}}}\n", task, head),
                   .classes = {"awe", "fear", "calm"}});
    const VisualModel model = VisualModel::open(file, {}, Device::open("cpu"));
    at::manual_seed(7);
    const at::Tensor images = at::randn({2, 3, 64, 96}), logits = model.logits(model.features(images));
    for (std::int64_t k = 0; k < 3; ++k) {
      const at::Tensor map = model.activation_map(images, k);
      ASSERT_EQ(map.sizes(), at::IntArrayRef({2, 2, 3}));
      EXPECT_GT(map.std().item<double>(), 1e-3) << "places differ";
      EXPECT_TRUE(at::allclose(map.mean({1, 2}) + bias[k], logits.select(1, k), 1e-4, 1e-3)) << task << head << " " << k;
    }
  }
  ScratchFolder folder_;
};

TEST_F(ActivationMapTest, OfAClassifier) {
  at::manual_seed(1);
  ImageClassifier network("resnet18", 3);
  expect_means_are_logits(*network, "classifier", "", network->classifier->bias);
}

TEST_F(ActivationMapTest, OfAnEmotionNet) {
  at::manual_seed(2);
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .head = Head::kTwoBranch, .classes = 3, .embedding = 4});
  expect_means_are_logits(*network, "emotionnet", ", head: two_branch", network->classifier->bias);
}

// The classifier stands behind the projection, and so does the projection's bias.
TEST_F(ActivationMapTest, OfAJointHead) {
  at::manual_seed(3);
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .head = Head::kJoint, .classes = 3, .embedding = 4});
  const at::Tensor bias =
      network->classifier->weight.matmul(network->projection->bias).detach() + network->classifier->bias.detach();
  expect_means_are_logits(*network, "emotionnet", ", head: joint", bias);
}

}  // namespace
}  // namespace emotion
