#pragma once

#include <ATen/core/Tensor.h>

namespace emotion {

/// Eq 1: (p + q) / sum(p + q), p = TextCNN softmax with entries < threshold set to 0.
///
/// p [B, K] float; q [B, K] float, 1 for every emotion keyword of the image, or 1 / their number -> [B, K]
at::Tensor soft_targets(const at::Tensor& p, const at::Tensor& q, double threshold);

/// Eq 2: mean over the batch of -sum_k target_k log softmax_k(logits). logits, targets [B, K] -> scalar.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// Eq 3: mean over the batch of 1 - cos(projection, text); a row with has_text false adds 0 and counts in the mean.
///
/// projection, text [B, E] float; has_text [B] bool -> scalar. A zero projection has cosine 0 and a finite gradient.
at::Tensor embedding_loss(const at::Tensor& projection, const at::Tensor& text, const at::Tensor& has_text);

/// torch.nn.functional.cross_entropy with class weights (undefined = none) and label smoothing. logits [B, K], labels int64 [B].
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& class_weights,
                         double label_smoothing);

}  // namespace emotion
