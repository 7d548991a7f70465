#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batch_stream.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/task.h"

namespace emotion {

struct EvaluationResult {
  std::vector<std::pair<std::string, double>> values;  ///< as they go into metrics.jsonl
  Predictions predictions;                             ///< empty where the task evaluates itself
  std::vector<std::uint64_t> samples;
  ClassificationMetrics metrics;
};

/// Losses and metrics over the validation split, with the network in evaluation mode meanwhile; nothing if a stop was asked for.
///
/// @param options  of the training stream; what is random in its transform is left out
/// @param step     steps done, for the message of a bad loss
std::optional<EvaluationResult> evaluate_task(Task& task, BatchStream::Options options, const Device& device, std::int64_t step);

}  // namespace emotion
