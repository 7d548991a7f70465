#pragma once

#include <cstdint>
#include <filesystem>

namespace emotion {

/// A trace of some training steps, in the format that chrome://tracing and ui.perfetto.dev open: the phases of a step (loader
/// wait, to device, forward, backward, optimiser) and LibTorch's operations within them.
class StepTrace {
 public:
  static constexpr std::int64_t kWarmUp = 2;  ///< steps before the trace: the first allocate and choose kernels

  /// steps: how many are traced; 0 = none. cuda: kernels of the GPU too
  StepTrace(std::filesystem::path file, std::int64_t steps, bool cuda);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  void step_begins();
  void step_ended();
  /// Writes what there is, if the run ends before the last of the steps. A run of fewer than kWarmUp steps gives no trace.
  void finish();

 private:
  std::filesystem::path file_;
  std::int64_t steps_, done_ = 0;
  bool cuda_, open_ = false;
};

}  // namespace emotion
