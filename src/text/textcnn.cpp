#include "emotion/text/textcnn.h"

#include <ATen/ops/bernoulli.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include "emotion/error.h"

namespace emotion {

TextCNNImpl::TextCNNImpl(const TextCNNOptions& options) : options_(options) {
  namespace nn = torch::nn;
  const std::int64_t d = options.dimension;
  embedding = register_module("embedding",
                              nn::Embedding(nn::EmbeddingOptions(options.vocabulary + 2, d).padding_idx(options.vocabulary + 1)));
  embedding->weight.requires_grad_(!options.static_embedding);
  conv = register_module("conv", nn::Conv1d(nn::Conv1dOptions(d, d, 1)));
  norm = register_module("norm", BatchNorm1d(d));
  hidden = register_module("hidden", nn::Linear(d, d));
  classifier = register_module("classifier", nn::Linear(d, options.classes));
}

at::Tensor TextCNNImpl::forward(const at::Tensor& ids) {
  at::Tensor words = ids;
  if (is_training() && options_.word_dropout > 0) {
    const at::Tensor dropped =
        at::bernoulli(at::empty(ids.sizes(), ids.options().dtype(at::kFloat)).fill_(options_.word_dropout)).to(at::kBool);
    words = at::where(dropped, at::full_like(ids, options_.vocabulary + 1), ids);
  }
  at::Tensor x = conv(embedding(words).transpose(1, 2)).relu_();  // [B, dimension, L]
  if (norm->is_training() && !norm->exchange && x.size(0) == 1) {
    throw ConfigError(
        "train.batch: batch norm cannot learn from a batch of one keyword list; set train.batch to 2 or more, so that the last "
        "batch of an epoch has 2 as well");
  }
  x = norm(x.mean(2));
  x = at::dropout(x, options_.dropout, is_training());
  x = at::dropout(hidden(x), options_.dropout, is_training());
  return classifier(x);
}

}  // namespace emotion
