#include "emotion/model/semantic_net.h"

#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

namespace emotion {
namespace {

namespace nn = torch::nn;

nn::Linear unbiased(std::int64_t in, std::int64_t out) { return nn::Linear(nn::LinearOptions(in, out).bias(false)); }

/// A module that only holds others under a name.
class Holder : public nn::Module {};

}  // namespace

SemanticNetImpl::SemanticNetImpl(const SemanticNetOptions& options) : options_(options) {
  const std::int64_t f = options.feature, h = options.hidden, m = options.attention;
  if (options.fc) {
    auto fc = register_module("fc", std::make_shared<Holder>());
    fc1_ = fc->register_module("0", nn::Linear(f, h));
    fc2_ = fc->register_module("2", nn::Linear(h, h));
    return;
  }
  attention_lstm_ = register_module("attention_lstm", nn::LSTMCell(h + f, h));
  correlation_lstm_ = register_module("correlation_lstm", nn::LSTMCell(h + f, h));
  auto attention = register_module("attention", std::make_shared<Holder>());
  feature_ = attention->register_module("feature", unbiased(f, m));
  hidden_ = attention->register_module("hidden", unbiased(h, m));
  score_ = attention->register_module("score", unbiased(m, 1));
}

SemanticNetOutput SemanticNetImpl::forward(const RegionBatch& regions) {
  const std::int64_t n = regions.features.size(1);
  // mask [B, N, 1]: 1 for a region that is there
  const at::Tensor mask = at::arange(n, regions.counts.options())
                              .unsqueeze(0)
                              .lt(regions.counts.unsqueeze(1))
                              .to(regions.features.scalar_type())
                              .unsqueeze(2);
  const at::Tensor count = regions.counts.clamp_min(1).to(regions.features.scalar_type()).unsqueeze(1);
  SemanticNetOutput output;
  if (options_.fc) {
    const at::Tensor hidden = fc2_(fc1_(regions.features).relu()).relu();
    output.features = (hidden * mask).sum(1) / count;
  } else {
    output = weigh(regions, mask, (regions.features * mask).sum(1) / count);
  }
  output.features = output.features * regions.counts.gt(0).to(output.features.scalar_type()).unsqueeze(1);
  return output;
}

SemanticNetOutput SemanticNetImpl::weigh(const RegionBatch& regions, const at::Tensor& mask, const at::Tensor& mean) {
  const at::Tensor& f = regions.features;
  const at::Tensor zero = at::zeros({f.size(0), options_.hidden}, f.options());
  at::Tensor h_att = zero, c_att = zero, h_cor = zero, c_cor = zero;
  const at::Tensor projected = feature_(f);  // W_f f_i: the same in every step
  // The lowest finite number, not -inf: an image without regions would give 0 / 0.
  const at::Tensor absent = (1 - mask.squeeze(2)) * static_cast<double>(std::numeric_limits<float>::lowest());
  std::vector<at::Tensor> attention;
  for (std::int64_t t = 0; t < options_.steps; ++t) {
    const at::Tensor previous = h_att;
    std::tie(h_att, c_att) = attention_lstm_(at::cat({h_cor, mean}, 1), std::make_tuple(h_att, c_att));  // Eq 3, 4
    const at::Tensor scores = score_(at::tanh(projected + hidden_(h_att).unsqueeze(1))).squeeze(2);      // Eq 5
    const at::Tensor alpha = at::softmax(scores + absent, 1);                                            // Eq 6
    const at::Tensor f_att = alpha.unsqueeze(1).bmm(f).squeeze(1);                                       // Eq 7
    std::tie(h_cor, c_cor) =
        correlation_lstm_(at::cat({options_.lag ? previous : h_att, f_att}, 1), std::make_tuple(h_cor, c_cor));  // Eq 8, 9
    attention.push_back(alpha);
  }
  return {h_cor, at::stack(attention, 1)};  // Eq 10
}

}  // namespace emotion
