#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/device.h"
#include "emotion/train/distributed.h"
#include "emotion/train/task.h"

namespace emotion {

/// The config's device, of which each process takes its own.
Device open_device(const RunConfig& config, ProcessGroup& group);

/// Compares the manifests and what is read beside them: word vectors, a TextCNN, a vocabulary, classes of keywords, annotations.
/// @throws DataError on every process if one has other data than rank 0
void check_same_data(const RunConfig& config, const Task& task, ProcessGroup& group);

/// Lists what the processes left out because it is broken, each once.
void report_skipped(const std::vector<std::string>& own, ProcessGroup& group);

/// @throws NotFiniteError on every process, naming the tensor, if rank 0's weights or buffers hold NaN or infinite values after
/// `step`
void check_finite(const StateDict& weights, std::int64_t step, ProcessGroup& group);

/// What a run goes on from: rank 0 reads it, all get it. The files are empty where there is no checkpoint yet.
struct StoredRun {
  std::string state_file, model_file;
  StateDict state, model;
};
StoredRun read_last_checkpoint(const CheckpointFolder& checkpoints, ProcessGroup& group);

/// A generator's state of bytes, as gather_to_root() takes it and gives it.
std::string bytes_of(const at::Tensor& tensor);
at::Tensor tensor_of(const std::string& bytes);

}  // namespace emotion
