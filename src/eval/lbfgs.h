#pragma once

#include <deque>
#include <functional>
#include <utility>

#include <ATen/core/Tensor.h>

namespace emotion {

/// Limited-memory BFGS (Nocedal and Wright, 2006, algorithm 7.4) with a line search by bisection that meets both Wolfe
/// conditions. Everything in float64.
class Lbfgs {
 public:
  using Objective = std::function<std::pair<double, at::Tensor>(const at::Tensor&)>;  ///< value and gradient

  /// Done when no entry of the gradient is above `tolerance`.
  Lbfgs(Objective objective, double tolerance) : objective_(std::move(objective)), tolerance_(tolerance) {}

  /// @throws Interrupted
  at::Tensor minimise(at::Tensor w);

 private:
  struct Pair {
    at::Tensor s, y;
    double rho;
  };
  struct Step {
    double length, value;
    at::Tensor gradient;
  };
  at::Tensor times_inverse_hessian(const at::Tensor& gradient) const;
  Step line_search(const at::Tensor& w, const at::Tensor& direction, double value, double slope, double length) const;

  Objective objective_;
  double tolerance_;
  std::deque<Pair> pairs_;
};

}  // namespace emotion
