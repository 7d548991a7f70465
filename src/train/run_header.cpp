#include "run_header.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <torch/version.h>

#include "emotion/log.h"
#include "emotion/version.h"

namespace emotion {
namespace {

/// By the files: one split may have two names, and a data set too.
bool validates_what_it_trains_on(const Task& task) {
  if (!task.has_validation()) return false;
  std::error_code none;
  return std::filesystem::equivalent(task.manifest(Split::kTrain).file(), task.manifest(Split::kValidation).file(), none);
}

}  // namespace

void log_run_header(const RunConfig& config, Task& task, std::int64_t samples, std::int64_t steps, const Device& device,
                    const ProcessGroup& group) {
  std::int64_t parameters = 0;
  for (const auto& parameter : task.network().parameters()) parameters += parameter.numel();
  const Manifest& train = task.manifest(Split::kTrain);
  const auto all = static_cast<std::int64_t>(train.size());
  const std::string of = samples == all ? "" : fmt::format(" of {}", all);
  log_info("emotion {}, LibTorch {}", version(), TORCH_VERSION);
  log_info("{}: {}{} training samples, {} classes, {:.1f} M parameters, {} steps of {} samples on {}", config.task, samples, of,
           task.info().classes.size(), static_cast<double>(parameters) / 1e6, steps,
           std::int64_t{config.train.batch} * config.train.accumulate * group.size(), device.describe());
  if (group.size() > 1) log_info("{} processes, {} samples a batch each", group.size(), config.train.batch);
  if (validates_what_it_trains_on(task)) {
    log_warning("{}: data.train and data.val are the same split; the validation says nothing of samples that were not trained on",
                train.file().string());
  }
}

void warn_of_short_run(const RunConfig& config, std::int64_t steps_per_epoch, std::int64_t steps) {
  const double warmup = config.schedule.warmup * static_cast<double>(steps_per_epoch), all = static_cast<double>(steps);
  if (warmup > 0 && warmup >= all)
    log_warning("schedule.warmup {} is {:.0f} steps, and the run has {}: nothing follows the warm-up", config.schedule.warmup,
                warmup, steps);
  // What the first of the averaged weights, which are far from trained, still make of the average at the end.
  constexpr double kMuch = 0.05;
  if (const double first = std::pow(config.train.ema, all); config.train.ema > 0 && first > kMuch)
    log_warning(
        "train.ema {} over {} steps: {:.0f} % of the averaged weights are those after the first step; set a lower train.ema",
        config.train.ema, steps, 100 * first);
}

}  // namespace emotion
