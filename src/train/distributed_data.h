#pragma once

#include <memory>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed_watch.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// What a ProcessGroup holds. `group` is null with one process.
struct ProcessGroup::Data {
  Launch launch;
  double timeout = 0;
  std::string local_address;
  c10::intrusive_ptr<c10d::Store> store;
  std::unique_ptr<Watch> watch;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> gpus;  ///< NCCL's part of the group, where the device is a GPU
  std::int64_t waits = 0;

  /// Runs one exchange; if it fails, finds out who is to blame. @throws PeerLost
  void exchange(const std::function<void()>& action);
};

}  // namespace emotion
