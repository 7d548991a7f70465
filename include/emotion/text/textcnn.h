#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "emotion/batch_norm.h"

namespace emotion {

struct TextCNNOptions {
  std::int64_t vocabulary = 0;   ///< V: known words; row V is the unknown word, row V + 1 the padding (zero)
  std::int64_t classes = 0;      ///< K
  std::int64_t dimension = 300;  ///< of embedding, convolution and hidden layer
  double dropout = 0.5;
  double word_dropout = 0.0;      ///< training: fraction of the words replaced by padding
  bool static_embedding = false;  ///< the embedding is not trained
};

/// Keywords -> emotions: embedding -> conv k=1 -> ReLU -> mean over all positions (padding included) -> batch norm ->
/// dropout -> hidden -> dropout -> classifier. Names of its tensors: docs/formats.md.
class TextCNNImpl : public torch::nn::Module {
 public:
  explicit TextCNNImpl(const TextCNNOptions& options);
  /// ids: int64 [B, L], padded with V + 1 -> logits float [B, K]
  at::Tensor forward(const at::Tensor& ids);
  const TextCNNOptions& options() const { return options_; }

  torch::nn::Embedding embedding{nullptr};
  torch::nn::Conv1d conv{nullptr};
  BatchNorm1d norm{nullptr};
  torch::nn::Linear hidden{nullptr}, classifier{nullptr};

 private:
  TextCNNOptions options_;
};
TORCH_MODULE(TextCNN);

}  // namespace emotion
