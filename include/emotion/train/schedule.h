#pragma once

#include <cstdint>

#include "emotion/config/run_config.h"

namespace emotion {

/// The learning rate of a step, from its number alone: nothing to save, nothing to restore.
class Schedule {
 public:
  Schedule(const ScheduleConfig& config, double base_lr, std::int64_t steps_per_epoch, std::int64_t total_steps);

  /// step from 0. step and multistep change at the ends of epochs, cosine after every step; warm-up rises from
  /// base_lr / w to base_lr over its w steps.
  double learning_rate(std::int64_t step) const;

 private:
  double without_warmup(std::int64_t step) const;

  ScheduleConfig config_;
  double base_lr_;
  std::int64_t steps_per_epoch_, total_steps_, warmup_steps_;
};

}  // namespace emotion
