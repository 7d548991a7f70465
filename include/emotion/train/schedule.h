#pragma once

#include <cstdint>

#include "emotion/config/run_config.h"

namespace emotion {

/// The learning rate of a step, from its number alone: nothing to save, nothing to restore.
///
/// At step s (from 0) of epoch e = floor(s / steps_per_epoch), with w = round(warmup * steps_per_epoch) steps of warm-up:
///
///     step       lr(s) = base_lr * gamma^floor(e / every)
///     multistep  lr(s) = base_lr * gamma^(number of milestones <= e)
///     cosine     lr(s) = min_lr + (base_lr - min_lr) / 2 * (1 + cos(pi * t)),  t = (s - w) / (total_steps - w), within 0 and 1
///     constant   lr(s) = base_lr
///
/// and (s + 1) / w * lr(s) while s < w.
class Schedule {
 public:
  Schedule(const ScheduleConfig& config, double base_lr, std::int64_t steps_per_epoch, std::int64_t total_steps);

  /// step: from 0
  double learning_rate(std::int64_t step) const;

 private:
  double without_warmup(std::int64_t step) const;

  ScheduleConfig config_;
  double base_lr_;
  std::int64_t steps_per_epoch_, total_steps_, warmup_steps_;
};

}  // namespace emotion
