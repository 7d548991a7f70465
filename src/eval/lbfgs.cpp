#include "lbfgs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/signals.h"

namespace emotion {
namespace {

constexpr int kMaxIterations = 2000;
constexpr std::size_t kMemory = 10;

double scalar_product(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); }

}  // namespace

at::Tensor Lbfgs::minimise(at::Tensor w) {
  auto [value, gradient] = objective_(w);
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    if (gradient.abs().max().item<double>() < tolerance_) return w;
    at::Tensor direction = -times_inverse_hessian(gradient);
    double slope = scalar_product(direction, gradient);
    if (!(slope < 0)) {  // rounding has spoilt the memory
      pairs_.clear();
      direction = -gradient;
      slope = -scalar_product(gradient, gradient);
    }
    const double first = iteration == 0 && !preconditioner_ ? std::min(1.0, 1 / gradient.abs().sum().item<double>()) : 1.0;
    auto [step, next_value, next_gradient] = line_search(w, direction, value, slope, first);
    if (step == 0) return w;  // no smaller value can be told apart in float64
    const at::Tensor s = direction * step, y = next_gradient - gradient;
    if (scalar_product(s, y) > 1e-12 * scalar_product(y, y)) pairs_.push_back(pair(s, y));
    if (pairs_.size() > kMemory) pairs_.pop_front();
    w = w + s;
    value = next_value;
    gradient = next_gradient;
  }
  log_warning("probe: not converged after {} iterations", kMaxIterations);
  return w;
}

Lbfgs::Pair Lbfgs::pair(const at::Tensor& s, const at::Tensor& y) const {
  const double product = scalar_product(s, y);
  return {s, y, 1 / product, product / scalar_product(y, preconditioner_ ? preconditioner_(y) : y)};
}

at::Tensor Lbfgs::times_inverse_hessian(const at::Tensor& gradient) const {
  at::Tensor q = gradient.clone();
  std::vector<double> alpha(pairs_.size());
  for (std::size_t i = pairs_.size(); i-- > 0;) {
    alpha[i] = pairs_[i].rho * scalar_product(pairs_[i].s, q);
    q.sub_(pairs_[i].y, alpha[i]);
  }
  if (preconditioner_) q = preconditioner_(q);
  if (!pairs_.empty()) q.mul_(pairs_.back().scale);
  for (std::size_t i = 0; i < pairs_.size(); ++i) q.add_(pairs_[i].s, alpha[i] - pairs_[i].rho * scalar_product(pairs_[i].y, q));
  return q;
}

Lbfgs::Step Lbfgs::line_search(const at::Tensor& w, const at::Tensor& direction, double value, double slope,
                               double length) const {
  double low = 0, high = INFINITY;
  for (int attempt = 0; attempt < 50; ++attempt) {
    auto [next_value, gradient] = objective_(w + direction * length);
    if (!(next_value <= value + 1e-4 * length * slope)) {
      high = length;
    } else if (scalar_product(gradient, direction) < 0.9 * slope) {
      low = length;
    } else {
      return {length, next_value, gradient};
    }
    length = std::isinf(high) ? 2 * length : 0.5 * (low + high);
  }
  return {0, value, {}};
}

}  // namespace emotion
