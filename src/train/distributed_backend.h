#pragma once

#include <string>

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace emotion {

/// A group whose tensors in main memory travel by Gloo, from this host's address `address`. The only source that needs Gloo's
/// headers.
c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                       const std::string& address, double timeout);

/// The entry of libemotion_nccl.so: lets a group's tensors on a GPU travel by NCCL.
using AddNccl = void (*)(c10d::ProcessGroup& group, const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                         double timeout);

}  // namespace emotion
