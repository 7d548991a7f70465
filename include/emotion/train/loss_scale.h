#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace emotion {

struct TrainConfig;

/// Dynamic loss scaling for float16 (Micikevicius et al., 2018), with the rule and the numbers of PyTorch's GradScaler: the loss
/// is multiplied by the scale so that small gradients do not vanish; a step whose gradients are not finite is left out and halves
/// the scale; 2,000 steps in a row that are finite double it.
class LossScale {
 public:
  static constexpr double kFirst = 65536, kGrowth = 2, kBackoff = 0.5;
  static constexpr std::int64_t kInterval = 2000;

  /// first: the scale of the first step; 0: there is none, loss and gradients stay as they are
  explicit LossScale(double first, std::int64_t interval = kInterval) : scale_(first), interval_(interval) {}

  bool active() const { return scale_ > 0; }
  double scale() const { return scale_; }
  at::Tensor scaled(const at::Tensor& loss) const { return active() ? loss * scale_ : loss; }
  /// Divides the gradients (float32, of one device) by the scale, in place, and sets the scale of the next step. False where one
  /// of them is NaN or infinite: this step is to be left out.
  /// @throws RunError if the scale has become so small that the gradients must be broken
  bool unscale(const std::vector<at::Tensor>& gradients);

  /// For a checkpoint: as text, and back.
  std::string save() const;
  void restore(const std::string& text);

 private:
  double scale_;
  std::int64_t interval_, finite_steps_ = 0;
};

/// The scale that a run begins with: train.loss_scale, or what train.amp needs without it; 0 = none.
double first_loss_scale(const TrainConfig& config);

}  // namespace emotion
