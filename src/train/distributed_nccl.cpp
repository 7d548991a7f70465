// libemotion_nccl.so: what needs CUDA's symbols when it is linked. Opened by ProcessGroup::use_device(), after libtorch_cuda.so.
#define USE_C10D_NCCL
#include <chrono>
#include <cstdlib>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "distributed_backend.h"

extern "C" __attribute__((visibility("default"))) void emotion_add_nccl(c10d::ProcessGroup& group,
                                                                        const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                                        int size, double timeout) {
  // A failure is told by the group, which names the rank: c10d's own watchdog would end the process first, by SIGABRT.
  if (!std::getenv("NCCL_ASYNC_ERROR_HANDLING")) ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  auto nccl =
      c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store), rank, size, options);
  group.setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, nccl);
}

static_assert(std::is_same_v<emotion::AddNccl, decltype(&emotion_add_nccl)>);
