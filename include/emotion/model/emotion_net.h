#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <torch/nn/modules/linear.h>

#include "emotion/model/backbone.h"

namespace emotion {

/// two_branch: classifier and projection both from the features. joint: features -> projection -> classifier.
/// three_branch: two_branch and a second classifier for another class set ("+Extra anno" of Table 3).
enum class Head { kTwoBranch, kJoint, kThreeBranch };
/// @throws ConfigError listing the names
Head parse_head(std::string_view name);

struct EmotionNetOptions {
  std::string backbone = "resnet50";
  Head head = Head::kTwoBranch;
  std::int64_t classes = 0;        ///< K
  std::int64_t extra_classes = 0;  ///< three_branch only
  std::int64_t embedding = 300;    ///< width of the joint text-visual space
};

struct EmotionNetOutput {
  at::Tensor features;      ///< [B, D]
  at::Tensor logits;        ///< [B, K]
  at::Tensor projection;    ///< [B, embedding]
  at::Tensor extra_logits;  ///< [B, extra_classes]; undefined without a third branch
};

/// EmotionNet (CVPR 2020). Of images x [B, 3, h, w]:
///
///     v = backbone(x)      features [B, D]; of a ResNet after global average pooling
///     u = W_p v + b_p      projection [B, E]: W f_v(x) of Eq 3, a point among the word vectors
///     l = W_c v + b_c      logits [B, K]: softmax(l) is P(x) of Eq 2.  joint: l = W_c u + b_c
///     e = W_e v + b_e      extra_logits [B, extra_classes], three_branch alone
///
/// Parameters: backbone.*, classifier.{weight [K, D] (joint: [K, E]), bias}, projection.{weight [E, D], bias}, and
/// extra_classifier.* with three branches.
class EmotionNetImpl : public torch::nn::Module {
 public:
  /// With random weights. @throws ConfigError for a backbone that is not known
  explicit EmotionNetImpl(const EmotionNetOptions& options);
  /// images: float [B, 3, h, w] on the network's device, normalised. The output is float, under autocast of its type.
  /// @throws c10::Error for another shape, type or device
  EmotionNetOutput forward(const at::Tensor& images);

  std::shared_ptr<Backbone> backbone;
  torch::nn::Linear projection{nullptr}, classifier{nullptr}, extra_classifier{nullptr};

 private:
  EmotionNetOptions options_;
};
TORCH_MODULE(EmotionNet);

}  // namespace emotion
