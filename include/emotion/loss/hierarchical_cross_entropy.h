#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

struct HierarchicalLoss {
  at::Tensor emotion;   ///< scalar, Eq 17: mean of -log p_emo(y)
  at::Tensor polarity;  ///< scalar, Eq 16: mean of -log p_pol(polarity of y); undefined if polarity_weight is 0
  at::Tensor total;     ///< scalar, Eq 18: emotion + polarity_weight * polarity
};

/// Stimuli-aware VEA (TIP 2021), Eq 13-18, with the minus sign that the paper's text leaves out. Of a sample of class y:
///
///     p = softmax(logits)                                                              Eq 13
///     L = -log p_y + lambda * -log(sum of p_k over the classes k of y's polarity)      Eq 14-18
///
/// and the mean over the batch; lambda is polarity_weight. The sum is taken as a logsumexp of the log-softmax, so that nothing
/// underflows. logits [B, C] float; labels int64 [B]; polarity: 1 or -1 for each class (unused, and may be empty, at weight 0).
/// @throws DataError if polarity has another size than C
HierarchicalLoss hierarchical_cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                                            const std::vector<std::int8_t>& polarity, double polarity_weight);

}  // namespace emotion
