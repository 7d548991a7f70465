#include "emotion/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace emotion {

Schedule::Schedule(const ScheduleConfig& config, double base_lr, std::int64_t steps_per_epoch, std::int64_t total_steps)
    : config_(config),
      base_lr_(base_lr),
      steps_per_epoch_(std::max<std::int64_t>(steps_per_epoch, 1)),
      total_steps_(total_steps),
      warmup_steps_(std::llround(config.warmup * static_cast<double>(steps_per_epoch_))) {}

double Schedule::learning_rate(std::int64_t step) const {
  const double lr = without_warmup(step);
  return step < warmup_steps_ ? lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps_) : lr;
}

double Schedule::without_warmup(std::int64_t step) const {
  const std::int64_t epoch = step / steps_per_epoch_;
  if (config_.name == "step") return base_lr_ * std::pow(config_.gamma, static_cast<double>(epoch / config_.every));
  if (config_.name == "multistep") {
    const auto passed =
        std::count_if(config_.milestones.begin(), config_.milestones.end(), [&](int milestone) { return milestone <= epoch; });
    return base_lr_ * std::pow(config_.gamma, static_cast<double>(passed));
  }
  if (config_.name == "cosine") {
    const double length = static_cast<double>(std::max<std::int64_t>(total_steps_ - warmup_steps_, 1));
    const double part = std::clamp(static_cast<double>(step - warmup_steps_) / length, 0.0, 1.0);
    return config_.min_lr + 0.5 * (base_lr_ - config_.min_lr) * (1 + std::cos(std::numbers::pi * part));
  }
  return base_lr_;  // constant
}

}  // namespace emotion
