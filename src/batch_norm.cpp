#include "emotion/batch_norm.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace emotion {
namespace {

/// What one process knows of its batch, or all of theirs together. mean, var (biased): double [C]
struct Moments {
  at::Tensor mean, var;
  double count = 0;  ///< values a channel
};

Moments local_moments(const at::Tensor& x) {
  const std::int64_t channels = x.size(1);
  const auto options = at::TensorOptions().dtype(at::kDouble).device(x.device());
  if (x.numel() == 0) return {at::zeros({channels}, options), at::zeros({channels}, options), 0};
  // On the CPU torch's kernel rounds the statistics to x's type, which bfloat16 has eight bits in.
  const bool rounded = x.is_cpu() && at::isReducedFloatingType(x.scalar_type());
  auto [mean, var] = at::batch_norm_update_stats(rounded ? x.to(at::kFloat) : x, {}, {}, 0.0);
  return {mean.to(at::kDouble), var.to(at::kDouble), static_cast<double>(x.numel() / channels)};
}

/// Chan, Golub and LeVeque: the sums of squares about each mean, and of the means about the common one.
Moments combine(const Moments& mine, StatisticsExchange& exchange) {
  const std::int64_t channels = mine.mean.size(0);
  const at::Tensor count = at::full({1}, mine.count, mine.mean.options());
  const at::Tensor rows = exchange.gather(at::cat({mine.mean, mine.var, count}));  // [processes, 2 C + 1]
  const at::Tensor n = rows.narrow(1, 2 * channels, 1), means = rows.narrow(1, 0, channels),
                   vars = rows.narrow(1, channels, channels);
  Moments all;
  all.count = n.sum().item<double>();
  if (all.count == 0) return mine;
  all.mean = (means * n).sum(0) / all.count;
  all.var = ((vars + (means - all.mean).square()) * n).sum(0) / all.count;
  return all;
}

at::Tensor as_channel(const at::Tensor& values, const at::Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[1] = -1;
  return values.to(x.scalar_type()).view(shape);
}

/// The exchange on its way from forward to backward.
struct Carried : torch::CustomClassHolder {
  explicit Carried(std::shared_ptr<StatisticsExchange> carried) : exchange(std::move(carried)) {}
  std::shared_ptr<StatisticsExchange> exchange;
};

class Normalise : public torch::autograd::Function<Normalise> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& mean, const at::Tensor& var, double count, double eps,
                            const std::shared_ptr<StatisticsExchange>& exchange) {
    context->save_for_backward({x, weight, mean, (var + eps).rsqrt()});
    context->saved_data["count"] = count;
    context->saved_data["exchange"] = c10::IValue::make_capsule(c10::make_intrusive<Carried>(exchange));
    if (x.numel() == 0) return at::empty_like(x);
    // Torch's kernel of the evaluation mode, with the statistics of the batch in place of the running ones.
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean.to(at::kFloat), var.to(at::kFloat), false, 0.0, eps));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &weight = saved[1], &mean = saved[2], &inverse = saved[3];  // inverse = 1 / sqrt(var + eps)
    const at::ScalarType type = saved[0].scalar_type();
    // Of bfloat16 and float16 the products are taken in float32: float16's range ends at 65,504.
    const at::ScalarType wide = type == at::kBFloat16 || type == at::kHalf ? at::kFloat : type;
    const at::Tensor x = saved[0].to(wide), dy = gradients[0].to(wide);
    const double count = context->saved_data["count"].toDouble();
    std::vector<std::int64_t> others;
    for (std::int64_t d = 0; d < x.dim(); ++d) {
      if (d != 1) others.push_back(d);
    }
    const at::Tensor normal = (x - as_channel(mean, x)) * as_channel(inverse, x);
    // dL/dbias and dL/dweight of this process; the reducer averages them like every gradient.
    const at::Tensor sum = dy.sum(others, false, at::kDouble), dot = (dy * normal).sum(others, false, at::kDouble);
    at::Tensor sums = at::cat({sum, dot});
    const auto carried = c10::static_intrusive_pointer_cast<Carried>(context->saved_data["exchange"].toCapsule());
    carried->exchange->sum(sums);
    const at::Tensor mean_dy = sums.narrow(0, 0, x.size(1)) / count, mean_dot = sums.narrow(0, x.size(1), x.size(1)) / count;
    const at::Tensor scale = weight.defined() ? weight.to(at::kDouble) * inverse : inverse;
    const at::Tensor dx = (dy - as_channel(mean_dy, x) - normal * as_channel(mean_dot, x)) * as_channel(scale, x);
    const auto parameter = [&](const at::Tensor& value) {
      return weight.defined() ? value.to(weight.scalar_type()) : at::Tensor();
    };
    return {dx.to(type), parameter(dot), parameter(sum), {}, {}, {}, {}, {}};
  }
};

void update_running(torch::nn::BatchNormOptions& options, const Moments& all, at::Tensor& running_mean, at::Tensor& running_var,
                    at::Tensor& num_batches_tracked) {
  if (!running_mean.defined() || all.count == 0) return;
  const at::NoGradGuard no_grad;
  num_batches_tracked.add_(1);
  const double part =
      options.momentum() ? *options.momentum() : 1.0 / static_cast<double>(num_batches_tracked.item<std::int64_t>());
  const at::Tensor unbiased = all.count > 1 ? all.var * (all.count / (all.count - 1)) : all.var;
  running_mean.mul_(1 - part).add_(all.mean.to(running_mean.scalar_type()), part);
  running_var.mul_(1 - part).add_(unbiased.to(running_var.scalar_type()), part);
}

}  // namespace

at::Tensor synchronised_batch_norm(torch::nn::BatchNormOptions& options, const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& bias, at::Tensor& running_mean, at::Tensor& running_var,
                                   at::Tensor& num_batches_tracked, const std::shared_ptr<StatisticsExchange>& exchange) {
  Moments all;
  {
    const at::NoGradGuard no_grad;
    all = combine(local_moments(x), *exchange);
  }
  update_running(options, all, running_mean, running_var, num_batches_tracked);
  return Normalise::apply(x, weight, bias, all.mean, all.var, std::max(all.count, 1.0), options.eps(), exchange);
}

bool takes_batch_statistics(const torch::nn::Module& network) {
  for (const auto& module : network.modules()) {
    if (module->is_training() && dynamic_cast<const SharedStatistics*>(module.get())) return true;
  }
  return false;
}

std::shared_ptr<StatisticsExchange> statistics_exchange_of(torch::nn::Module& network) {
  for (const auto& module : network.modules()) {
    if (const auto* norm = dynamic_cast<SharedStatistics*>(module.get()); norm && norm->exchange) return norm->exchange;
  }
  return nullptr;
}

int share_batch_statistics(torch::nn::Module& network, const std::shared_ptr<StatisticsExchange>& exchange) {
  int shared = 0;
  for (const auto& module : network.modules()) {
    if (auto* norm = dynamic_cast<SharedStatistics*>(module.get())) {
      norm->exchange = exchange;
      ++shared;
    }
  }
  return shared;
}

}  // namespace emotion
