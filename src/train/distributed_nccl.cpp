// libemotion_nccl.so: what needs CUDA's symbols when it is linked. Opened by ProcessGroup::use_device(), after libtorch_cuda.so.
#define USE_C10D_NCCL
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>
#include <torch/csrc/cuda/nccl.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "distributed_backend.h"
#include "emotion/error.h"

namespace {

/// The group's options hold NCCL's own, which grow with its versions: made here in the size of the header this was built with,
/// and filled in by LibTorch in the size of its own. @throws RunError if the two are not of one version
void check_nccl_version() {
  const std::uint64_t theirs = torch::cuda::nccl::version(), major = theirs >> 32, minor = theirs >> 16 & 0xffff;
  if (major == NCCL_MAJOR && minor == NCCL_MINOR) return;
  throw emotion::RunError(fmt::format(
      "libemotion_nccl.so was built with the headers of NCCL {}.{}, LibTorch with those of {}.{}; `bash tools/setup.sh "
      "--cuda` brings the right ones and builds it anew",
      NCCL_MAJOR, NCCL_MINOR, major, minor));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void emotion_add_nccl(c10d::ProcessGroup& group,
                                                                        const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                                        int size, double timeout) {
  // A failure is told by the group, which names the rank: c10d's own watchdog would end the process first, by SIGABRT.
  if (!std::getenv("NCCL_ASYNC_ERROR_HANDLING")) ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  check_nccl_version();
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  auto nccl =
      c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store), rank, size, options);
  group.setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, nccl);
}

static_assert(std::is_same_v<emotion::AddNccl, decltype(&emotion_add_nccl)>);
