#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emotion/io/tensorboard.h"

namespace emotion {

/// metrics.jsonl and the TensorBoard events of a run.
class RunLog {
 public:
  /// Goes on with the lines up to `step`; later ones, written before the run was killed, are dropped, and so is an evaluation
  /// after `step` itself that is due once more (`evaluated` false). step < 0: a new run.
  RunLog(const std::filesystem::path& run, std::int64_t step, bool evaluated);
  /// One line; NaN becomes null. @throws RunError if the disk is full
  void write(const std::string& split, std::int64_t step, std::int64_t epoch,
             const std::vector<std::pair<std::string, double>>& values);

 private:
  std::filesystem::path file_;
  std::ofstream out_;
  std::unique_ptr<EventWriter> events_;
};

/// What stands beside the progress bar of a line of training values.
std::string progress_text(const std::vector<std::pair<std::string, double>>& values);

/// What is said after an epoch, on one line: `epoch 1/2  step 26  train loss 0.5  val loss 0.6  top1 0.7`, the first value of
/// each kind with its name.
std::string epoch_text(const std::string& epoch, std::int64_t step, std::optional<double> train_loss,
                       const std::vector<std::pair<std::string, double>>& validation);

}  // namespace emotion
