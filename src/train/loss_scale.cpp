#include "emotion/train/loss_scale.h"

#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/config/run_config.h"
#include "emotion/error.h"

namespace emotion {

bool LossScale::unscale(const std::vector<at::Tensor>& gradients) {
  if (!active() || gradients.empty()) return true;
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(gradients[0].device());
  at::Tensor found = at::zeros({1}, options);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found, at::full({1}, 1 / scale_, options));
  const bool finite = found.item<float>() == 0;
  if (!finite) {
    finite_steps_ = 0;
    scale_ *= kBackoff;
    constexpr double kLeast = 1.0 / (1 << 20);
    if (scale_ < kLeast) {
      throw RunError(fmt::format("gradients are not finite at a loss scale of {} either: lower optimizer.lr, or train.amp=bf16",
                                 scale_ / kBackoff));
    }
  } else if (++finite_steps_ == interval_) {
    finite_steps_ = 0;
    // Beyond float32's own range there is nothing to gain; GradScaler would end at infinity.
    if (scale_ < 1e30) scale_ *= kGrowth;
  }
  return finite;
}

std::string LossScale::save() const { return fmt::format("{} {}", scale_, finite_steps_); }

void LossScale::restore(const std::string& text) {
  std::size_t used = 0;
  scale_ = std::stod(text, &used);
  finite_steps_ = std::stoll(text.substr(used));
}

double first_loss_scale(const TrainConfig& config) {
  if (config.loss_scale > 0) return config.loss_scale;
  return config.amp == "fp16" ? LossScale::kFirst : 0;
}

}  // namespace emotion
