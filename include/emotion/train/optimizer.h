#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/config/run_config.h"
#include "emotion/io/weights.h"

namespace emotion {

struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

/// One update rule over a network's parameters; PyTorch's formulas and defaults.
///
/// A parameter without a gradient is left alone, as PyTorch does. State tensors are named `<kind>.<parameter>`.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Updates every parameter that has a gradient.
  virtual void step(double learning_rate) = 0;
  /// Those there are, in the parameters' order.
  std::vector<at::Tensor> gradients() const;
  /// Drops the gradients: no memory is kept for them between steps.
  void zero_grad();
  /// Scales the gradients so that their joint L2 norm is at most `max_norm`; gives the norm before (0-d, on the device).
  at::Tensor clip_gradients(double max_norm);
  /// The tensors a resumed run needs.
  StateDict state() const;
  /// @throws WeightsError naming missing and misshapen tensors
  void load_state(const StateDict& state, const std::string& where);

 protected:
  explicit Optimizer(std::vector<NamedParameter> parameters) : parameters_(std::move(parameters)) {}
  /// One state tensor a parameter, zero or `value`, with the parameter's shape and strides, or scalars.
  std::vector<at::Tensor>& add_state(const std::string& kind, double value, bool scalar = false);
  /// Numbers of the parameters with a gradient.
  std::vector<std::size_t> with_gradient() const;

  std::vector<NamedParameter> parameters_;

 private:
  struct Kind {
    std::string name;
    std::unique_ptr<std::vector<at::Tensor>> tensors;  // one a parameter; the address stays
  };
  std::vector<Kind> state_;
};

/// sgd | adam | adamw | adagrad | adadelta. Parameters that need no gradient are left out.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<NamedParameter> parameters);

}  // namespace emotion
