// LibTorch holds Gloo's code, Debian's libgloo-dev the headers that c10d's header wants: only pointers to Gloo's types are
// handled here.
#define USE_C10D_GLOO
#include <chrono>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "distributed_backend.h"
#include "distributed_watch.h"

namespace emotion {

c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                       const std::string& address, double timeout) {
  using c10d::ProcessGroupGloo;
  // What Gloo says at its limit names no process; the watch, which is asked then, has missed a lost one for long enough.
  const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>((timeout + kStepGrace) * 1000));
  auto options = ProcessGroupGloo::Options::create(limit);
  options->devices.push_back(ProcessGroupGloo::createDeviceForHostname(address));
  auto gloo = c10::make_intrusive<ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store), rank, size, options);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::PrefixStore>("group", store), rank, size);
  group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  return group;
}

}  // namespace emotion
