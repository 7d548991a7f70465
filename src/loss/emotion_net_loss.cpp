#include "emotion/loss/emotion_net_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace emotion {
namespace {

/// Losses are summed in float32 whatever the network computed in.
at::Tensor full_precision(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

}  // namespace

at::Tensor soft_targets(const at::Tensor& p, const at::Tensor& q, double threshold) {
  const at::Tensor sum = at::where(p < threshold, at::zeros_like(p), p) + q;
  return sum / sum.sum(1, true);
}

at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return -(targets * at::log_softmax(full_precision(logits), 1)).sum(1).mean();
}

at::Tensor embedding_loss(const at::Tensor& projection, const at::Tensor& text, const at::Tensor& has_text) {
  // PyTorch's own: each norm counts as at least eps, and the gradient at a zero vector is finite.
  const at::Tensor cosine = at::cosine_similarity(full_precision(projection), full_precision(text), 1, 1e-8);
  return at::where(has_text, 1 - cosine, at::zeros_like(cosine)).mean();
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& class_weights,
                         double label_smoothing) {
  const std::optional<at::Tensor> weights = class_weights.defined() ? std::optional(class_weights) : std::nullopt;
  return at::cross_entropy_loss(full_precision(logits), labels, weights, at::Reduction::Mean, /*ignore_index=*/-100,
                                label_smoothing);
}

}  // namespace emotion
