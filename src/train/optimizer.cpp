#include "emotion/train/optimizer.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adagrad.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "emotion/error.h"

namespace emotion {
namespace {

using Tensors = std::vector<at::Tensor>;

Tensors pick(const Tensors& all, const std::vector<std::size_t>& which) {
  Tensors picked;
  picked.reserve(which.size());
  for (const std::size_t i : which) picked.push_back(all[i]);
  return picked;
}

/// What a fused kernel takes: parameters and gradients of equal strides.
struct Group {
  Tensors values, gradients;
};

/// True if both lie in memory in the same order: along a side of one element nobody steps.
bool same_order(const at::Tensor& a, const at::Tensor& b) {
  for (std::int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) != 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

Group make_group(const std::vector<NamedParameter>& parameters, const std::vector<std::size_t>& which) {
  Group group;
  for (const std::size_t i : which) {
    const at::Tensor& value = parameters[i].tensor;
    at::Tensor gradient = value.grad();
    // The fused kernels walk both memories in step: the strides must agree. Those of a 1 x 1 convolution often do so but in name.
    if (gradient.strides() != value.strides()) {
      gradient = same_order(value, gradient) ? gradient.as_strided(value.sizes(), value.strides())
                                             : at::empty_like(value).copy_(gradient);
    }
    group.values.push_back(value);
    group.gradients.push_back(gradient);
  }
  return group;
}

/// buf = momentum * buf + g + wd * w; w -= lr * buf (Nesterov: w -= lr * (g + momentum * buf)).
class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, std::vector<NamedParameter> parameters)
      : Optimizer(std::move(parameters)), config_(config), momentum_(config.momentum > 0 ? &add_state("momentum", 0) : nullptr) {}
  void step(double learning_rate) override {
    const auto which = with_gradient();
    if (which.empty()) return;
    Group group = make_group(parameters_, which);
    const Tensors momentum = momentum_ ? pick(*momentum_, which) : Tensors{};
    at::_fused_sgd_(group.values, group.gradients, momentum, config_.weight_decay, config_.momentum, learning_rate,
                    /*dampening=*/0, config_.nesterov, /*maximize=*/false, /*is_first_step=*/false);
  }

 private:
  OptimizerConfig config_;
  Tensors* momentum_;
};

/// Kingma and Ba, 2015; decoupled: Loshchilov and Hutter, 2019.
class Adam final : public Optimizer {
 public:
  Adam(const OptimizerConfig& config, std::vector<NamedParameter> parameters, bool decoupled)
      : Optimizer(std::move(parameters)),
        config_(config),
        decoupled_(decoupled),
        first_(add_state("exp_avg", 0)),
        second_(add_state("exp_avg_sq", 0)),
        steps_(add_state("step", 0, true)) {}
  void step(double learning_rate) override {
    const auto which = with_gradient();
    if (which.empty()) return;
    at::_foreach_add_(pick(steps_, which), 1);
    if (parameters_[which[0]].tensor.is_cpu()) {
      const at::NoGradGuard no_grad;
      for (const std::size_t i : which) step_one(i, learning_rate);
      return;
    }
    Group group = make_group(parameters_, which);
    const auto update = decoupled_ ? static_cast<Update>(at::_fused_adamw_) : static_cast<Update>(at::_fused_adam_);
    update(group.values, group.gradients, pick(first_, which), pick(second_, which), {}, pick(steps_, which), learning_rate,
           config_.betas[0], config_.betas[1], config_.weight_decay, config_.eps.value_or(1e-8), /*amsgrad=*/false,
           /*maximize=*/false, {}, {});
  }

 private:
  /// PyTorch's operations on a CPU in their order. The first steps move each weight by its gradient's sign: with another
  /// rounding, gradients that are nearly zero would send two runs apart.
  void step_one(std::size_t i, double learning_rate) {
    at::Tensor value = parameters_[i].tensor.detach(), gradient = parameters_[i].tensor.grad();
    const auto [beta1, beta2] = config_.betas;
    const double step = steps_[i].item<double>();
    if (config_.weight_decay != 0 && decoupled_) value.mul_(1 - learning_rate * config_.weight_decay);
    if (config_.weight_decay != 0 && !decoupled_) gradient = gradient.add(value, config_.weight_decay);
    first_[i].lerp_(gradient, 1 - beta1);
    second_[i].mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    const at::Tensor denominator = (second_[i].sqrt() / std::sqrt(1 - std::pow(beta2, step))).add_(config_.eps.value_or(1e-8));
    value.addcdiv_(first_[i], denominator, -learning_rate / (1 - std::pow(beta1, step)));
  }

  using Update = void (*)(at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList, double,
                          double, double, double, double, bool, bool, const std::optional<at::Tensor>&,
                          const std::optional<at::Tensor>&);
  OptimizerConfig config_;
  bool decoupled_;
  Tensors &first_, &second_, &steps_;
};

/// Duchi et al., 2011.
class Adagrad final : public Optimizer {
 public:
  Adagrad(const OptimizerConfig& config, std::vector<NamedParameter> parameters)
      : Optimizer(std::move(parameters)), config_(config), sums_(add_state("sum", 0)), steps_(add_state("step", 0, true)) {}
  void step(double learning_rate) override {
    const auto which = with_gradient();
    if (which.empty()) return;
    Group group = make_group(parameters_, which);
    const Tensors steps = pick(steps_, which);
    at::_foreach_add_(steps, 1);
    at::_fused_adagrad_(group.values, group.gradients, pick(sums_, which), steps, learning_rate, config_.lr_decay,
                        config_.weight_decay, config_.eps.value_or(1e-10), /*maximize=*/false);
  }

 private:
  OptimizerConfig config_;
  Tensors &sums_, &steps_;
};

/// Zeiler, 2012: squares of gradients and of updates, both averaged with rho.
class Adadelta final : public Optimizer {
 public:
  Adadelta(const OptimizerConfig& config, std::vector<NamedParameter> parameters)
      : Optimizer(std::move(parameters)),
        config_(config),
        squares_(add_state("square_avg", 0)),
        updates_(add_state("acc_delta", 0)) {}
  void step(double learning_rate) override {
    const auto which = with_gradient();
    if (which.empty()) return;
    const at::NoGradGuard no_grad;
    const double eps = config_.eps.value_or(1e-6);
    Group group = make_group(parameters_, which);
    const Tensors squares = pick(squares_, which), averages = pick(updates_, which);
    if (config_.weight_decay != 0) group.gradients = at::_foreach_add(group.gradients, group.values, config_.weight_decay);
    at::_foreach_mul_(squares, config_.rho);
    at::_foreach_addcmul_(squares, group.gradients, group.gradients, 1 - config_.rho);
    const Tensors divisors = at::_foreach_add(squares, eps), updates = at::_foreach_add(averages, eps);
    at::_foreach_sqrt_(divisors);
    at::_foreach_sqrt_(updates);
    at::_foreach_div_(updates, divisors);
    at::_foreach_mul_(updates, group.gradients);
    at::_foreach_mul_(averages, config_.rho);
    at::_foreach_addcmul_(averages, updates, updates, 1 - config_.rho);
    at::_foreach_add_(group.values, updates, -learning_rate);
  }

 private:
  OptimizerConfig config_;
  Tensors &squares_, &updates_;
};

}  // namespace

void Optimizer::zero_grad() {
  for (auto& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

std::vector<at::Tensor> Optimizer::gradients() const {
  Tensors all;
  for (const std::size_t i : with_gradient()) all.push_back(parameters_[i].tensor.grad());
  return all;
}

at::Tensor Optimizer::clip_gradients(double max_norm) {
  const at::NoGradGuard no_grad;
  const Tensors all = gradients();
  if (all.empty()) return at::zeros({});
  const at::Tensor norm = at::stack(at::_foreach_norm(all, 2)).norm();
  at::_foreach_mul_(all, (max_norm / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

std::vector<at::Tensor>& Optimizer::add_state(const std::string& kind, double value, bool scalar) {
  auto tensors = std::make_unique<Tensors>();
  for (const auto& parameter : parameters_) {
    tensors->push_back(scalar ? at::full({}, value, parameter.tensor.options().dtype(at::kFloat).requires_grad(false))
                              : at::full_like(parameter.tensor.detach(), value));
  }
  state_.push_back({kind, std::move(tensors)});
  return *state_.back().tensors;
}

std::vector<std::size_t> Optimizer::with_gradient() const {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].tensor.grad().defined()) which.push_back(i);
  }
  return which;
}

StateDict Optimizer::state() const {
  StateDict state;
  for (const auto& kind : state_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) state.add(kind.name + "." + parameters_[i].name, (*kind.tensors)[i]);
  }
  return state;
}

void Optimizer::load_state(const StateDict& state, const std::string& where) {
  const at::NoGradGuard no_grad;
  for (auto& kind : state_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::string name = kind.name + "." + parameters_[i].name;
      const at::Tensor* saved = state.find(name);
      if (!saved || saved->sizes() != (*kind.tensors)[i].sizes()) {
        throw WeightsError(where + ": " + name + (saved ? " has another shape" : " is missing") +
                           "; resume with the config that saved it");
      }
      (*kind.tensors)[i].copy_(*saved);
    }
  }
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<NamedParameter> parameters) {
  std::erase_if(parameters, [](const NamedParameter& parameter) { return !parameter.tensor.requires_grad(); });
  if (config.name == "sgd") return std::make_unique<Sgd>(config, std::move(parameters));
  if (config.name == "adam") return std::make_unique<Adam>(config, std::move(parameters), false);
  if (config.name == "adamw") return std::make_unique<Adam>(config, std::move(parameters), true);
  if (config.name == "adagrad") return std::make_unique<Adagrad>(config, std::move(parameters));
  if (config.name == "adadelta") return std::make_unique<Adadelta>(config, std::move(parameters));
  throw ConfigError("optimizer.name is '" + config.name + "'; sgd, adam, adamw, adagrad or adadelta");
}

}  // namespace emotion
