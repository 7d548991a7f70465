#include <algorithm>
#include <type_traits>
#include <unordered_map>

#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "distributed_data.h"
#include "emotion/train/distributed.h"

namespace emotion {
namespace {

constexpr std::size_t kFirstBucket = std::size_t{1} << 20, kBucket = std::size_t{25} << 20;  // bytes, as PyTorch's

/// Unused parameters are looked for in every step: a batch without a face has some. It also keeps the buckets as they are from
/// the first step on, so that a resumed run adds in the same order as one that never stopped.
constexpr bool kFindUnused = true;

/// LibTorch 2.15 takes the caps of all buckets, earlier ones do not.
template <class Reducer>
std::shared_ptr<Reducer> make_reducer(const std::vector<at::Tensor>& parameters,
                                      const std::vector<std::vector<std::size_t>>& buckets,
                                      const c10::intrusive_ptr<c10d::ProcessGroup>& group,
                                      const std::vector<std::int64_t>& caps) {
  using Names = std::unordered_map<std::size_t, std::string>;
  const std::vector<bool> sparse(parameters.size(), false);
  const auto first = static_cast<std::int64_t>(kFirstBucket), others = static_cast<std::int64_t>(kBucket);
  if constexpr (std::is_constructible_v<Reducer, std::vector<at::Tensor>, std::vector<std::vector<std::size_t>>,
                                        c10::intrusive_ptr<c10d::ProcessGroup>, std::vector<bool>, std::int64_t, bool, bool,
                                        Names, std::int64_t, bool, bool, std::vector<std::int64_t>>) {
    return std::make_shared<Reducer>(parameters, buckets, group, sparse, others, kFindUnused, false, Names{}, first, false, false,
                                     caps);
  } else {
    return std::make_shared<Reducer>(parameters, buckets, group, sparse, others, kFindUnused, false, Names{}, first, false,
                                     false);
  }
}

}  // namespace

struct GradientAverage::Data {
  Data(const ProcessGroup& g, torch::nn::Module& n) : group(g), network(n) {}
  ProcessGroup group;
  torch::nn::Module& network;
  std::vector<at::Tensor> parameters;
  std::shared_ptr<c10d::Reducer> reducer;
  std::shared_ptr<c10d::Logger> logger;

  ProcessGroup::Data& processes() { return *group.data_; }
  bool alone() { return !processes().group; }
};

GradientAverage::GradientAverage(const ProcessGroup& group, torch::nn::Module& network) : data_(new Data(group, network)) {
  if (data_->alone()) return;
  auto& processes = data_->processes();
  std::vector<at::Tensor> all = network.parameters();
  for (const at::Tensor& parameter : all) {
    if (parameter.requires_grad()) data_->parameters.push_back(parameter);
  }
  for (const at::Tensor& buffer : network.buffers()) all.push_back(buffer);
  processes.exchange([&] {
    const at::NoGradGuard no_grad;
    c10d::broadcast_coalesced(processes.group, all, 10 * kBucket, 0);
  });
  if (data_->parameters.empty()) return;
  auto [buckets, caps] = c10d::compute_bucket_assignment_by_size(data_->parameters, {kFirstBucket, kBucket});
  // Gradients are ready from the last layer to the first.
  std::reverse(buckets.begin(), buckets.end());
  std::vector<std::int64_t> reversed(caps.rbegin(), caps.rend());
  data_->reducer = make_reducer<c10d::Reducer>(data_->parameters, buckets, processes.group, reversed);
  data_->logger = std::make_shared<c10d::Logger>(data_->reducer);
  data_->reducer->set_logger(data_->logger);
}

GradientAverage::~GradientAverage() = default;

void GradientAverage::broadcast_buffers() {
  if (data_->alone()) return;
  const std::vector<at::Tensor> buffers = data_->network.buffers();
  if (buffers.empty()) return;
  auto& processes = data_->processes();
  processes.exchange([&] {
    const at::NoGradGuard no_grad;
    c10d::broadcast_coalesced(processes.group, buffers, 10 * kBucket, 0);
  });
}

void GradientAverage::backward(const at::Tensor& loss, bool last) {
  if (data_->alone() || !data_->reducer) {
    loss.backward();
    return;
  }
  data_->processes().exchange([&] {
    if (last) {
      data_->reducer->prepare_for_forward();
      data_->reducer->prepare_for_backward({loss});
    }
    loss.backward();
  });
}

}  // namespace emotion
