#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emotion/io/tensorboard.h"

namespace emotion {

/// metrics.jsonl and the TensorBoard events of a run.
class RunLog {
 public:
  /// Goes on with the lines up to `step`; later ones, written before the run was killed, are dropped. step < 0: a new run.
  RunLog(const std::filesystem::path& run, std::int64_t step);
  /// One line; NaN becomes null. @throws RunError if the disk is full
  void write(const std::string& split, std::int64_t step, std::int64_t epoch,
             const std::vector<std::pair<std::string, double>>& values);

 private:
  std::filesystem::path file_;
  std::ofstream out_;
  std::unique_ptr<EventWriter> events_;
};

}  // namespace emotion
