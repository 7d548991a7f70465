#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batch_stream.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/distributed.h"
#include "emotion/train/task.h"

namespace emotion {

/// What a validation found.
struct ValidationResult {
  std::vector<std::pair<std::string, double>> values;  ///< as they go into metrics.jsonl
  Predictions predictions;                             ///< empty where the task evaluates itself
  std::vector<std::uint64_t> samples;
  ClassificationMetrics metrics;
};

/// Losses and metrics over the validation split, with the network in evaluation mode meanwhile; nothing if a stop was asked for.
///
/// @param options  of the training stream; what is random in its transform is left out
/// @param step     steps done, for the message of a bad loss
/// @param group    each process takes a part of the split; rank 0 gets the result of the whole, the others an empty one
/// @param skipped  gets this process's broken images, where they are left out
std::optional<ValidationResult> validate(Task& task, BatchStream::Options options, const Device& device, std::int64_t step,
                                         ProcessGroup& group, std::vector<std::string>& skipped);

}  // namespace emotion
