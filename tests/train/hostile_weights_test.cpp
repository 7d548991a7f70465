#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/config/run_config.h"
#include "emotion/io/weights.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/stimuli_model.h"
#include "emotion/train/visual_model.h"

// Weights files of some hundred bytes that claim lengths of thousands of millions: a tensor that has a length of 0 besides takes
// no byte. They are refused by the tensor's name before a network of that size is made.
namespace emotion {
namespace {

constexpr std::int64_t kLong = std::int64_t{1} << 40;

using Shapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

class HostileWeightsTest : public ::testing::Test {
 protected:
  std::string file() const { return (folder_.path() / "w.safetensors").string(); }
  void write(const Shapes& shapes, const ModelInfo& info = {}) const {
    StateDict state;
    for (const auto& [name, shape] : shapes) state.add(name, at::zeros(shape));
    if (!info.task.empty()) state.metadata = info.to_metadata();
    write_safetensors(file(), state);
  }
  /// What is said of the file, and of a tensor in it.
  std::string refused(const std::string& text) const { return fmt::format("3: {}: {}", file(), text); }

  ScratchFolder folder_;
};

TEST_F(HostileWeightsTest, OfADetector) {
  const auto error = [&](const std::vector<std::int64_t>& scores, const std::vector<std::int64_t>& pyramid,
                         const std::vector<std::int64_t>& fc6) {
    write({{"roi_heads.box_predictor.cls_score.weight", scores},
           {"backbone.fpn.layer_blocks.0.0.weight", pyramid},
           {"roi_heads.box_head.fc6.weight", fc6}});
    return error_within(200, [&] { load_detector(file(), {}, Device::open("cpu")); });
  };
  EXPECT_EQ(error({kLong, 0}, {1, 0}, {1, 0}),
            refused("roi_heads.box_predictor.cls_score.weight has shape [1099511627776, 0], [1 "
                    "or more, 1 or more] is wanted"));
  EXPECT_EQ(error({3, 1}, {kLong, 0, 3, 3}, {1, 49}),
            refused("backbone.fpn.layer_blocks.0.0.weight has shape [1099511627776, 0, 3, 3], [1 or more, 1 or more, 3, 3] is "
                    "wanted"));
  // Lengths of which each has its numbers, and the network would have their product.
  EXPECT_EQ(error({100000, 1}, {1, 1, 3, 3}, {100000, 1}),
            refused("roi_heads.box_head.fc6.weight has shape [100000, 1], [1, 49] is wanted"));
}

TEST_F(HostileWeightsTest, OfAStimuliNet) {
  const auto error = [&](const std::string& model, const Shapes& shapes) {
    ModelInfo info{.task = "stimuli", .classes = {"awe", "fear"}};
    info.config =
        fmt::format("task: stimuli\nmodel: {{branches: [semantic], {}}}\ndata: {{train: {{dataset: d, split: s}}}}\n", model);
    write(shapes, info);
    return error_within(200, [&] { load_stimuli_net(file(), {}, Device::open("cpu")); });
  };
  EXPECT_EQ(error("semantic: {attention: 2}", {{"semantic.attention.feature.weight", {0, kLong}}}),
            refused("semantic.attention.feature.weight has shape [0, 1099511627776], [2, 1 or more] is wanted"));
  EXPECT_EQ(error("semantic: {variant: fc}", {{"semantic.fc.0.weight", {0, kLong}}}),
            refused("semantic.fc.0.weight has shape [0, 1099511627776], [512, 1 or more] is wanted"));
  EXPECT_EQ(error("semantic: {attention: 1}",
                  {{"semantic.attention.feature.weight", {1, 200000}}, {"semantic.attention_lstm.weight_ih", {1, 1}}}),
            refused("semantic.attention_lstm.weight_ih has shape [1, 1], [2048, 200512] is wanted"));
}

TEST_F(HostileWeightsTest, OfATextCNNAndAnEmotionNet) {
  const ModelInfo text{.task = "textcnn", .config = "task: textcnn\n", .classes = {"awe", "fear"}};
  const auto textcnn = [&](const Shapes& shapes) {
    write(shapes, text);
    return error_within(200, [&] { load_textcnn(file()); });
  };
  EXPECT_EQ(textcnn({{"embedding.weight", {0, kLong}}}),
            refused("embedding.weight has shape [0, 1099511627776], [1 or more, 1 or more] is wanted"));
  EXPECT_EQ(textcnn({{"embedding.weight", {2, 100000}}, {"conv.weight", {1}}}),
            refused("conv.weight has shape [1], [100000, 100000, 1] is wanted"));
  const ModelInfo visual{.task = "emotionnet", .config = "task: emotionnet\nmodel: {backbone: resnet18}\n", .classes = {"awe"}};
  for (const char* name : {"extra_classifier.weight", "projection.weight"}) {
    write({{name, {kLong, 0}}}, visual);
    EXPECT_EQ(error_within(200, [&] { VisualModel::open(file(), {}, Device::open("cpu")); }),
              refused(fmt::format("{} has shape [1099511627776, 0], [1 or more, 1 or more] is wanted", name)));
  }
}

}  // namespace
}  // namespace emotion
