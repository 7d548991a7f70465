#include "step_trace.h"

#include <cstdlib>
#include <set>

#include <fmt/format.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace profiler = torch::profiler::impl;

std::set<profiler::ActivityType> activities(bool cuda) {
  std::set<profiler::ActivityType> wanted{profiler::ActivityType::CPU};
  if (cuda) wanted.insert(profiler::ActivityType::CUDA);
  return wanted;
}

}  // namespace

StepTrace::StepTrace(std::filesystem::path file, std::int64_t steps, bool cuda)
    : file_(std::move(file)), steps_(steps), cuda_(cuda) {}

StepTrace::~StepTrace() {
  if (open_) torch::autograd::profiler::disableProfiler();
}

void StepTrace::step_begins() {
  if (steps_ == 0 || open_ || done_ != kWarmUp) return;
  ::setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);  // it would report its own progress
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO, /*report_input_shapes=*/true);
  torch::autograd::profiler::prepareProfiler(config, activities(cuda_));
  torch::autograd::profiler::enableProfiler(config, activities(cuda_));
  open_ = true;
}

void StepTrace::step_ended() {
  if (steps_ == 0) return;
  ++done_;
  if (done_ == kWarmUp + steps_) finish();
}

void StepTrace::finish() {
  if (!open_) return;
  open_ = false;
  const auto result = torch::autograd::profiler::disableProfiler();
  const std::filesystem::path part = file_.string() + ".part.json";
  result->save(part.string());
  std::error_code error;
  std::filesystem::rename(part, file_, error);
  if (error) throw RunError(fmt::format("{}: the trace cannot be written: {}", file_.string(), error.message()));
  log_info("{}: a trace of {} steps; open it in chrome://tracing or ui.perfetto.dev", file_.string(), done_ - kWarmUp);
}

}  // namespace emotion
