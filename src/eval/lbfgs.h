#pragma once

#include <deque>
#include <functional>
#include <utility>

#include <ATen/core/Tensor.h>

namespace emotion {

/// Limited-memory BFGS (Nocedal and Wright, 2006, algorithms 7.4 and 7.5) with a line search by bisection that meets both Wolfe
/// conditions. Everything in float64.
class Lbfgs {
 public:
  using Objective = std::function<std::pair<double, at::Tensor>(const at::Tensor&)>;  ///< value and gradient

  using Preconditioner = std::function<at::Tensor(const at::Tensor&)>;  ///< about the inverse Hessian times a vector

  /// Done when no entry of the gradient is above `tolerance`. With a preconditioner the memory begins from that instead of from a
  /// multiple of 1.
  Lbfgs(Objective objective, double tolerance, Preconditioner preconditioner = {})
      : objective_(std::move(objective)), tolerance_(tolerance), preconditioner_(std::move(preconditioner)) {}

  /// @throws Interrupted
  at::Tensor minimise(at::Tensor w);

 private:
  struct Pair {
    at::Tensor s, y;
    double rho, scale;  // 1 / s y, and s y / y H y with the preconditioner H
  };
  struct Step {
    double length, value;
    at::Tensor gradient;
  };
  Pair pair(const at::Tensor& s, const at::Tensor& y) const;
  at::Tensor times_inverse_hessian(const at::Tensor& gradient) const;
  Step line_search(const at::Tensor& w, const at::Tensor& direction, double value, double slope, double length) const;

  Objective objective_;
  double tolerance_;
  Preconditioner preconditioner_;
  std::deque<Pair> pairs_;
};

}  // namespace emotion
