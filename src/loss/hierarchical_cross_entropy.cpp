#include "emotion/loss/hierarchical_cross_entropy.h"

#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/to_device.h"

namespace emotion {
namespace {

/// log p_pol: [B, 2], negative before positive. polarity int64 [C], 0 or 1.
at::Tensor polarity_log_probabilities(const at::Tensor& log_p, const at::Tensor& polarity) {
  const double nothing = -std::numeric_limits<double>::infinity();
  return at::stack({at::logsumexp(log_p.masked_fill(polarity.eq(1), nothing), 1),
                    at::logsumexp(log_p.masked_fill(polarity.eq(0), nothing), 1)},
                   1);
}

}  // namespace

HierarchicalLoss hierarchical_cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                                            const std::vector<std::int8_t>& polarity, double polarity_weight) {
  const at::Tensor log_p = at::log_softmax(logits, 1, at::kFloat);
  const at::Tensor truth = labels.unsqueeze(1);
  HierarchicalLoss loss;
  loss.emotion = -log_p.gather(1, truth).mean();
  loss.total = loss.emotion;
  if (polarity_weight == 0) return loss;
  if (static_cast<std::int64_t>(polarity.size()) != logits.size(1)) {
    throw DataError(fmt::format("hierarchical loss: {} polarities for {} classes", polarity.size(), logits.size(1)));
  }
  std::vector<std::int64_t> side;
  for (const std::int8_t p : polarity) side.push_back(p > 0 ? 1 : 0);
  const at::Tensor sides = to_device(at::tensor(side, at::kLong), logits.options().dtype(at::kLong));
  loss.polarity = -polarity_log_probabilities(log_p, sides).gather(1, sides.index_select(0, labels).unsqueeze(1)).mean();
  loss.total = loss.emotion + polarity_weight * loss.polarity;
  return loss;
}

}  // namespace emotion
