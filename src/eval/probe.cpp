#include "emotion/eval/probe.h"

#include <cmath>
#include <deque>

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

/// Value and gradient of the regularised loss at parameters [K, D + 1] (the last column is the bias).
class Objective {
 public:
  Objective(const at::Tensor& features, const at::Tensor& targets, const ProbeOptions& options)
      : x_(at::cat({features, at::ones({features.size(0), 1}, features.options())}, 1)), y_(targets), options_(options) {}

  std::pair<double, at::Tensor> operator()(const at::Tensor& w) const {
    const at::Tensor logits = x_.matmul(w.t());
    at::Tensor loss, gradient;  // of logits
    if (options_.multi_label) {
      loss = (at::softplus(logits) - y_ * logits).sum();
      gradient = logits.sigmoid() - y_;
    } else {
      const at::Tensor log_p = at::log_softmax(logits, 1);
      loss = -(y_ * log_p).sum();
      gradient = log_p.exp() - y_;
    }
    at::Tensor penalised = w.clone();
    penalised.select(1, w.size(1) - 1).zero_();
    const double value = options_.C * loss.item<double>() + 0.5 * penalised.square().sum().item<double>();
    return {value, options_.C * gradient.t().matmul(x_) + penalised};
  }

 private:
  at::Tensor x_, y_;
  ProbeOptions options_;
};

/// Limited-memory BFGS (Nocedal and Wright, 2006, algorithm 7.4) with a backtracking and widening line search (Wolfe).
class Lbfgs {
 public:
  /// Done when no entry of the gradient is above `tolerance`.
  Lbfgs(const Objective& objective, double tolerance) : objective_(objective), tolerance_(tolerance) {}

  at::Tensor minimise(at::Tensor w) {
    auto [value, gradient] = objective_(w);
    for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
      if (gradient.abs().max().item<double>() < tolerance_) return w;
      at::Tensor direction = -times_inverse_hessian(gradient);
      double slope = dot(direction, gradient);
      if (!(slope < 0)) {  // rounding has spoilt the memory
        pairs_.clear();
        direction = -gradient;
        slope = -dot(gradient, gradient);
      }
      const double first = iteration == 0 ? std::min(1.0, 1 / gradient.abs().sum().item<double>()) : 1.0;
      auto [step, next_value, next_gradient] = line_search(w, direction, value, slope, first);
      if (step == 0) return w;  // no smaller value can be told apart in float64
      const at::Tensor s = direction * step, y = next_gradient - gradient;
      if (dot(s, y) > 1e-12 * dot(y, y)) pairs_.push_back({s, y, 1 / dot(s, y)});
      if (pairs_.size() > 10) pairs_.pop_front();
      w = w + s;
      value = next_value;
      gradient = next_gradient;
    }
    log_warning("probe: not converged after {} iterations", kMaxIterations);
    return w;
  }

 private:
  static constexpr int kMaxIterations = 2000;
  struct Pair {
    at::Tensor s, y;
    double rho;
  };
  struct Step {
    double length, value;
    at::Tensor gradient;
  };

  static double dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); }

  at::Tensor times_inverse_hessian(const at::Tensor& gradient) const {
    at::Tensor q = gradient.clone();
    std::vector<double> alpha(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = pairs_[i].rho * dot(pairs_[i].s, q);
      q.sub_(pairs_[i].y, alpha[i]);
    }
    if (!pairs_.empty()) q.mul_(1 / (pairs_.back().rho * dot(pairs_.back().y, pairs_.back().y)));
    for (std::size_t i = 0; i < pairs_.size(); ++i) q.add_(pairs_[i].s, alpha[i] - pairs_[i].rho * dot(pairs_[i].y, q));
    return q;
  }

  /// A step that meets both Wolfe conditions, by bisection.
  Step line_search(const at::Tensor& w, const at::Tensor& direction, double value, double slope, double length) const {
    double low = 0, high = INFINITY;
    for (int attempt = 0; attempt < 50; ++attempt) {
      auto [next_value, gradient] = objective_(w + direction * length);
      if (!(next_value <= value + 1e-4 * length * slope)) {
        high = length;
      } else if (dot(gradient, direction) < 0.9 * slope) {
        low = length;
      } else {
        return {length, next_value, gradient};
      }
      length = std::isinf(high) ? 2 * length : 0.5 * (low + high);
    }
    return {0, value, {}};
  }

  const Objective& objective_;
  double tolerance_;
  std::deque<Pair> pairs_;
};

LinearModel fit_sgd(const at::Tensor& x, const at::Tensor& y, const ProbeOptions& options) {
  at::Tensor w = at::zeros({y.size(1), x.size(1)}, at::kDouble), b = at::zeros({y.size(1)}, at::kDouble);
  at::Tensor momentum_w = at::zeros_like(w), momentum_b = at::zeros_like(b);
  const Sampler sampler{.size = static_cast<std::uint64_t>(x.size(0)), .seed = options.seed};
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    auto order = sampler.order(static_cast<std::uint64_t>(epoch));
    const at::Tensor rows = at::from_blob(order.data(), {x.size(0)}, at::kLong);
    const double lr = options.lr * std::pow(0.1, epoch / 10);
    for (std::int64_t begin = 0; begin < x.size(0); begin += options.batch) {
      const at::Tensor chosen = rows.narrow(0, begin, std::min<std::int64_t>(options.batch, x.size(0) - begin));
      const at::Tensor xb = x.index_select(0, chosen), yb = y.index_select(0, chosen);
      const at::Tensor logits = xb.matmul(w.t()) + b;
      const at::Tensor p = options.multi_label ? logits.sigmoid() : at::log_softmax(logits, 1).exp();
      const at::Tensor gradient = (p - yb) / static_cast<double>(chosen.size(0));
      momentum_w.mul_(options.momentum).add_(gradient.t().matmul(xb) + w * options.weight_decay);
      momentum_b.mul_(options.momentum).add_(gradient.sum(0));
      w.sub_(momentum_w, lr);
      b.sub_(momentum_b, lr);
    }
  }
  return {w, b};
}

}  // namespace

LinearModel fit_probe(const at::Tensor& features, const at::Tensor& targets, const ProbeOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = features.to(at::kDouble), y = targets.to(at::kDouble);
  if (x.size(0) == 0) throw DataError("probe: there is no training sample");
  if (!at::isfinite(x).all().item<bool>()) throw DataError("probe: the features hold NaN or infinite values");
  if (!options.multi_label && (y.sum(0) > 0).sum().item<std::int64_t>() < 2)
    throw DataError("probe: the training samples are all of one class");
  if (options.solver == "sgd") return fit_sgd(x, y, options);
  if (options.solver != "lbfgs") throw ConfigError("probe.solver is '" + options.solver + "'; sgd or lbfgs");
  const Objective objective(x, y, options);
  constexpr double kMeanTolerance = 1e-6;  // of the gradient a sample: a hundredth of scikit-learn's
  const at::Tensor w = Lbfgs(objective, kMeanTolerance * options.C * static_cast<double>(x.size(0)))
                           .minimise(at::zeros({y.size(1), x.size(1) + 1}, at::kDouble));
  return {w.narrow(1, 0, x.size(1)).contiguous(), w.select(1, x.size(1)).contiguous()};
}

at::Tensor probe_scores(const LinearModel& model, const at::Tensor& features) {
  const at::NoGradGuard no_grad;
  return (features.to(at::kDouble).matmul(model.weight.t()) + model.bias).to(at::kFloat);
}

}  // namespace emotion
