#include "emotion/train/distributed.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "distributed_backend.h"
#include "distributed_data.h"
#include "distributed_rendezvous.h"
#include "distributed_watch.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "emotion/train/device.h"

namespace emotion {
namespace {

std::vector<at::Tensor> one_each(int size, const at::Tensor& like) {
  std::vector<at::Tensor> all;
  for (int r = 0; r < size; ++r) all.push_back(at::zeros_like(like));
  return all;
}

at::Tensor bytes_of(const std::string& text, std::int64_t size) {
  at::Tensor bytes = at::zeros({size}, at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

std::string text_of(const at::Tensor& bytes, std::int64_t size) {
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(size)};
}

/// An error of the exchange itself, not of what is computed around it.
bool is_broken_exchange(const std::string& text) {
  for (const char* sign :
       {"gloo", "Connection closed", "Timed out", "Connection reset", "NCCL", "Broken pipe", "pair closure", "closed by peer"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

/// The first line of LibTorch's text, with what NCCL itself says: the lines from `Last error:` to the stack trace.
std::string one_line(const std::string& text) {
  static constexpr std::string_view kLast = "\nLast error:";
  std::string line = text.substr(0, text.find('\n'));
  const std::size_t last = text.find(kLast);
  if (last == std::string::npos) return line;
  std::istringstream rest(text.substr(last + kLast.size()));
  for (std::string part; std::getline(rest >> std::ws, part) && !part.starts_with("Exception raised from");) line += "; " + part;
  return line;
}

/// NCCL and Gloo would wait for each other. on_gpu: of each rank, whether its device is a GPU. @throws RunError
void check_kinds(const std::vector<std::int64_t>& on_gpu) {
  std::vector<std::size_t> cpus, gpus;
  for (std::size_t r = 0; r < on_gpu.size(); ++r) (on_gpu[r] != 0 ? gpus : cpus).push_back(r);
  if (cpus.empty() || gpus.empty()) return;
  throw RunError(
      fmt::format("the device is a CPU on rank {} and a GPU on rank {}; take --device cpu, or --device cuda, which says what "
                  "is missing where there is no GPU",
                  fmt::join(cpus, ", "), fmt::join(gpus, ", ")));
}

class GroupStatistics final : public StatisticsExchange {
 public:
  GroupStatistics(ProcessGroup group, c10::intrusive_ptr<c10d::ProcessGroup> channel,
                  std::function<void(const std::function<void()>&)> guard)
      : group_(std::move(group)), channel_(std::move(channel)), guard_(std::move(guard)) {}

  at::Tensor gather(const at::Tensor& values) override {
    std::vector<at::Tensor> in{values.cpu().contiguous()};
    std::vector<std::vector<at::Tensor>> out{one_each(group_.size(), in[0])};
    guard_([&] { channel_->allgather(out, in)->wait(); });
    return at::stack(out[0]).to(values.device());
  }
  void sum(at::Tensor& values) override {
    std::vector<at::Tensor> all{values.cpu()};
    guard_([&] { channel_->allreduce(all)->wait(); });
    if (!all[0].is_same(values)) values.copy_(all[0]);
  }

 private:
  ProcessGroup group_;
  c10::intrusive_ptr<c10d::ProcessGroup> channel_;
  std::function<void(const std::function<void()>&)> guard_;
};

}  // namespace

void ProcessGroup::Data::exchange(const std::function<void()>& action) {
  watch->enter_exchange();
  try {
    action();
    if (watch->abandoned()) watch->check();  // what was aborted ends without an error, and with any values
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (is_broken_exchange(error.what())) throw PeerLost(watch->find_lost(one_line(error.what())));
    // Not every text of Gloo's is known here: what the watch sees decides, before an error that names no process goes on.
    if (const auto found = watch->await_verdict()) throw PeerLost(*found);
    throw;
  }
}

ProcessGroup::ProcessGroup() : data_(std::make_shared<Data>()) {}

ProcessGroup ProcessGroup::join(const Launch& launch, const std::vector<std::pair<std::string, std::string>>& same,
                                double timeout) {
  ProcessGroup group;
  Data& data = *group.data_;
  data.launch = launch;
  data.timeout = timeout;
  if (!std::getenv("OMP_NUM_THREADS") && launch.local_world_size > 1)
    at::set_num_threads(share_of_threads(at::get_num_threads(), launch.local_world_size));
  if (launch.world_size == 1) return group;
  // What rank 0 says is enough.
  if (launch.rank > 0 && log_enabled(LogLevel::kInfo)) set_log_level(LogLevel::kWarning);
  const Rendezvous met = meet(launch, same, timeout);
  data.store = met.store;
  data.local_address = met.local_address;
  data.watch = std::make_unique<Watch>(met.watch, launch.rank, launch.store_elsewhere ? -1 : 0, met.names, timeout);
  data.exchange([&] { data.group = make_gloo_group(met.store, launch.rank, launch.world_size, met.local_address, timeout); });
  return group;
}

int ProcessGroup::rank() const { return data_->launch.rank; }
int ProcessGroup::size() const { return data_->launch.world_size; }
int ProcessGroup::local_rank() const { return data_->launch.local_rank; }
int ProcessGroup::local_size() const { return data_->launch.local_world_size; }
bool ProcessGroup::by_nproc() const { return data_->launch.nproc; }

namespace {

template <class Value>
std::vector<Value> gather_values(ProcessGroup::Data& data, Value value, at::ScalarType type) {
  if (!data.group) return {value};
  std::vector<at::Tensor> in{at::full({1}, value, type)};
  std::vector<std::vector<at::Tensor>> out{one_each(data.launch.world_size, in[0])};
  data.exchange([&] { data.group->allgather(out, in)->wait(); });
  std::vector<Value> all;
  for (const at::Tensor& one : out[0]) all.push_back(one.item<Value>());
  return all;
}

}  // namespace

std::vector<std::int64_t> ProcessGroup::gather(std::int64_t value) { return gather_values(*data_, value, at::kLong); }
std::vector<double> ProcessGroup::gather(double value) { return gather_values(*data_, value, at::kDouble); }

std::vector<std::string> ProcessGroup::gather_to_root(const std::string& text) {
  if (!data_->group) return {text};
  const auto sizes = gather(static_cast<std::int64_t>(text.size()));
  const std::int64_t longest = std::max<std::int64_t>(1, *std::max_element(sizes.begin(), sizes.end()));
  std::vector<at::Tensor> in{bytes_of(text, longest)};
  std::vector<std::vector<at::Tensor>> out;
  if (is_root()) out.push_back(one_each(size(), in[0]));
  data_->exchange([&] { data_->group->gather(out, in)->wait(); });
  std::vector<std::string> all;
  in.clear();
  for (std::size_t r = 0; is_root() && r < sizes.size(); ++r) all.push_back(text_of(std::exchange(out[0][r], {}), sizes[r]));
  return all;
}

bool ProcessGroup::any(bool value) {
  if (!data_->group) return value;
  std::vector<at::Tensor> all{at::full({1}, value ? 1 : 0, at::kInt)};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  data_->exchange([&] { data_->group->allreduce(all, options)->wait(); });
  return all[0].item<int>() != 0;
}

bool ProcessGroup::stop_asked() const { return data_->watch ? data_->watch->stop_asked() : stop_requested(); }

void ProcessGroup::sum(const std::vector<at::Tensor>& tensors) {
  if (!data_->group) return;
  const at::NoGradGuard no_grad;
  for (const at::Tensor& tensor : tensors) {
    std::vector<at::Tensor> all{tensor};
    data_->exchange([&] { data_->group->allreduce(all)->wait(); });
  }
}

void ProcessGroup::broadcast(const std::vector<at::Tensor>& tensors) {
  if (!data_->group) return;
  const at::NoGradGuard no_grad;
  for (const at::Tensor& tensor : tensors) {
    std::vector<at::Tensor> whole{tensor.detach().contiguous()};
    data_->exchange([&] { data_->group->broadcast(whole)->wait(); });
    if (!whole[0].is_same(tensor) && !is_root()) tensor.detach().copy_(whole[0]);
  }
}

std::string ProcessGroup::broadcast(std::string text) {
  if (!data_->group) return text;
  at::Tensor size = at::full({1}, static_cast<std::int64_t>(text.size()), at::kLong);
  broadcast(std::vector{size});
  const auto n = size.item<std::int64_t>();
  if (n == 0) return "";
  at::Tensor bytes = is_root() ? bytes_of(text, n) : at::zeros({n}, at::kByte);
  broadcast(std::vector{bytes});
  return text_of(bytes, n);
}

StateDict ProcessGroup::broadcast(StateDict state) {
  if (!data_->group) return state;
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [name, tensor] : state.entries)
    list.push_back(
        {name, static_cast<int>(tensor.scalar_type()), std::vector<std::int64_t>(tensor.sizes().begin(), tensor.sizes().end())});
  const auto table = nlohmann::json::parse(broadcast(nlohmann::json{{"tensors", list}, {"metadata", state.metadata}}.dump()));
  if (!is_root()) {
    state = {};
    state.metadata = table.at("metadata").get<std::map<std::string, std::string>>();
    for (const auto& entry : table.at("tensors")) {
      state.add(entry[0].get<std::string>(),
                at::empty(entry[2].get<std::vector<std::int64_t>>(), static_cast<at::ScalarType>(entry[1].get<int>())));
    }
  }
  std::vector<at::Tensor> tensors;
  for (const auto& entry : state.entries) {
    if (entry.tensor.numel() > 0) tensors.push_back(entry.tensor);
  }
  broadcast(tensors);
  return state;
}

void ProcessGroup::on_root(const std::function<void()>& action) {
  if (is_root()) action();
  if (!data_->group) return;
  ++data_->waits;
  if (is_root()) {
    data_->watch->done(data_->waits);
  } else {
    data_->watch->wait_for(0, data_->waits);
  }
}

void ProcessGroup::wait_for_all() {
  if (!data_->group) return;
  data_->watch->done(++data_->waits);
  for (int r = 0; r < size(); ++r) {
    if (r != rank()) data_->watch->wait_for(r, data_->waits);
  }
}

ProcessGroup::Steps::Steps(const ProcessGroup& group) : data_(group.data_) {
  if (data_->watch) data_->watch->promise_steps(true);
}

ProcessGroup::Steps::~Steps() {
  if (data_->watch) data_->watch->promise_steps(false);
}

void ProcessGroup::Steps::step() const {
  if (!data_->watch) return;
  data_->watch->step();
  data_->watch->check();
}

void ProcessGroup::check_same(const std::string& what, const std::string& value) {
  const auto all = gather_to_root(value);
  std::string verdict;
  for (std::size_t r = 0; r < all.size() && verdict.empty(); ++r) {
    if (all[r] != all[0])
      verdict = fmt::format("{} is not the same everywhere: {} on rank 0, {} on rank {}", what, all[0], all[r], r);
  }
  verdict = broadcast(verdict);
  if (!verdict.empty()) throw DataError(verdict);
}

std::shared_ptr<StatisticsExchange> ProcessGroup::statistics_exchange() {
  if (!data_->group) return nullptr;
  // A channel of its own: its exchanges and the gradients' may overtake each other.
  Data& data = *data_;
  c10::intrusive_ptr<c10d::ProcessGroup> channel;
  data.exchange([&] {
    channel = make_gloo_group(c10::make_intrusive<c10d::PrefixStore>("statistics", data.store), rank(), size(),
                              data.local_address, data.timeout);
  });
  return std::make_shared<GroupStatistics>(*this, channel,
                                           [&data](const std::function<void()>& action) { data.exchange(action); });
}

void ProcessGroup::use_device(const at::Device& device) {
  if (!data_->group) return;
  wait_for_all();  // some seconds may go by until a GPU is open
  check_kinds(gather(static_cast<std::int64_t>(!device.is_cpu())));
  if (device.is_cpu()) return;
  Dl_info here{};
  ::dladdr(reinterpret_cast<const void*>(&share_of_threads), &here);
  const auto file = std::filesystem::path(here.dli_fname).parent_path() / "libemotion_nccl.so";
  void* module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  auto* add = module ? reinterpret_cast<AddNccl>(::dlsym(module, "emotion_add_nccl")) : nullptr;
  if (!add)
    throw RunError(
        fmt::format("{} processes on GPUs need {}: {}; build with the CUDA toolkit and NCCL's headers, or take --device cpu",
                    size(), file.string(), ::dlerror()));
  add(*data_->group, data_->store, rank(), size(), data_->timeout);
  data_->gpus = data_->group->getBackend(at::kCUDA);
  // A kernel that waits for a lost GPU holds every host that waits for its own, where no exchange has a limit.
  data_->watch->on_loss([gpus = data_->gpus] { gpus->abort(); });
}

int decoding_threads(int workers, const ProcessGroup& group) {
  if (workers > 0 || group.local_size() == 1) return workers;
  return share_of_threads(static_cast<int>(std::thread::hardware_concurrency()), group.local_size());
}

std::string own_device(const std::string& name, const ProcessGroup& group, bool alone) {
  if (name.starts_with("cuda:") && group.local_size() > 1)
    throw ConfigError(
        fmt::format("device is {}, which {} processes of this host would share; take device cuda: each has its own then", name,
                    group.local_size()));
  if (group.size() == 1 || !(name == "cuda" || (name == "auto" && !Device::find(name).is_cpu()))) return name;
  Device::find(name);  // makes the driver known
  const int visible = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (alone) check_gpus(group, visible);
  return fmt::format("cuda:{}", own_gpu(group.local_rank(), visible));
}

void check_gpus(const ProcessGroup& group, int visible) {
  if (!group.by_nproc() || group.local_size() <= visible) return;
  throw ConfigError(
      fmt::format("--nproc {}: a training wants a GPU for each process, and {} can be seen here; take --nproc {} or --device cpu",
                  group.local_size(), visible, visible));
}

int own_gpu(int local_rank, int visible) { return visible == 1 ? 0 : local_rank; }

void ProcessGroup::finish(const std::string& again, const std::function<void()>& work) {
  try {
    work();
  } catch (const PeerLost& error) {
    leave(error);
    throw PeerLost(fmt::format("{}; {}", error.what(), again), error.rank());
  } catch (const Error& error) {
    leave(error);
    throw;
  } catch (const std::exception& error) {
    leave(RunError(error.what()));
    throw;
  }
  leave();
}

void ProcessGroup::leave() {
  if (!data_->group) return;
  data_->watch->on_loss({});
  data_->watch->tell(-1, "");
  data_->watch->stop();
  if (data_->gpus) {
    try {
      data_->gpus->shutdown();
    } catch (const std::exception& error) {  // all work is done
      log_warning("the end of NCCL: {}", one_line(error.what()));
    }
    data_->gpus.reset();
  }
  data_->group.reset();
}

void ProcessGroup::leave(const Error& error) {
  if (!data_->group) return;
  const auto* lost = dynamic_cast<const PeerLost*>(&error);
  // First, since the others see broken connections at once, and may end before they know why.
  data_->watch->tell(lost && lost->rank() >= 0 ? lost->rank() : rank(), error.what());
  data_->watch->abandon();
  data_->gpus.reset();
  // Closing the connections wakes the others. After a broken exchange some of its work may never end: it is left behind.
  if (lost) {
    static_cast<void>(data_->group.release());
  } else {
    data_->group.reset();
  }
  data_->watch->stop();
}

}  // namespace emotion
