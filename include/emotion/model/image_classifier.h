#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <torch/nn/modules/linear.h>

#include "emotion/model/backbone.h"

namespace emotion {

/// A backbone and one linear layer. Parameters: backbone.*, classifier.*.
class ImageClassifierImpl : public torch::nn::Module {
 public:
  /// With random weights. channels: see make_backbone().
  /// @throws ConfigError for a backbone that is not known, or has no such stem
  ImageClassifierImpl(const std::string& backbone, std::int64_t classes, std::int64_t channels = 3);
  /// images: float [B, 3, h, w] on the network's device, normalised -> logits float [B, classes].
  /// @throws c10::Error for another shape, type or device
  at::Tensor forward(const at::Tensor& images);

  std::shared_ptr<Backbone> backbone;
  torch::nn::Linear classifier{nullptr};
};
TORCH_MODULE(ImageClassifier);

}  // namespace emotion
