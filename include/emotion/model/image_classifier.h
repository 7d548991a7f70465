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
  /// channels: see make_backbone()
  ImageClassifierImpl(const std::string& backbone, std::int64_t classes, std::int64_t channels = 3);
  at::Tensor forward(const at::Tensor& images);  ///< logits [B, classes]

  std::shared_ptr<Backbone> backbone;
  torch::nn::Linear classifier{nullptr};
};
TORCH_MODULE(ImageClassifier);

}  // namespace emotion
