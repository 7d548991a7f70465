#pragma once

#include <memory>

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/pimpl.h>

namespace emotion {

/// How processes share what a batch norm needs of the whole batch. Every process calls the same functions in the same order.
class StatisticsExchange {
 public:
  virtual ~StatisticsExchange() = default;
  /// One row a process: double [k] -> double [processes, k]
  virtual at::Tensor gather(const at::Tensor& values) = 0;
  /// The sum over processes, in place. double
  virtual void sum(at::Tensor& values) = 0;
};

/// Mean and variance of the batches of all processes: what SyncBatchNorm of PyTorch computes, by its definition.
///
/// y = (x - mean) / sqrt(var + eps) * weight + bias, mean and the biased var over the samples and places of all processes
/// together; the running variance takes the unbiased one. In backward the two sums over the batch run over all processes too. A
/// process whose batch is empty takes part.
/// @param x  float [n, C, ..]
at::Tensor synchronised_batch_norm(torch::nn::BatchNormOptions& options, const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& bias, at::Tensor& running_mean, at::Tensor& running_var,
                                   at::Tensor& num_batches_tracked, const std::shared_ptr<StatisticsExchange>& exchange);

/// A batch norm that can be told to share its statistics. Without an exchange, and in evaluation, it is torch's own.
class SharedStatistics {
 public:
  virtual ~SharedStatistics() = default;
  std::shared_ptr<StatisticsExchange> exchange;
};

template <class Plain>
class SynchronisedBatchNormImpl : public Plain, public SharedStatistics {
 public:
  using Plain::Plain;
  at::Tensor forward(const at::Tensor& x) {
    if (!exchange || !this->is_training()) return Plain::forward(x);
    return synchronised_batch_norm(this->options, x, this->weight, this->bias, this->running_mean, this->running_var,
                                   this->num_batches_tracked, exchange);
  }
};

/// In place of torch::nn::BatchNorm1d and 2d: same names, same bits, and statistics over all processes where asked for.
class BatchNorm1dImpl : public SynchronisedBatchNormImpl<torch::nn::BatchNorm1dImpl> {
 public:
  using SynchronisedBatchNormImpl::SynchronisedBatchNormImpl;
};
class BatchNorm2dImpl : public SynchronisedBatchNormImpl<torch::nn::BatchNorm2dImpl> {
 public:
  using SynchronisedBatchNormImpl::SynchronisedBatchNormImpl;
};
TORCH_MODULE(BatchNorm1d);
TORCH_MODULE(BatchNorm2d);

/// Makes every batch norm of a network share its statistics through `exchange`; gives their number.
int share_batch_statistics(torch::nn::Module& network, const std::shared_ptr<StatisticsExchange>& exchange);

/// True if a batch norm of the network is in training mode; frozen ones are not.
bool takes_batch_statistics(const torch::nn::Module& network);
/// What the batch norms of a network share their statistics through; null where they do not.
std::shared_ptr<StatisticsExchange> statistics_exchange_of(torch::nn::Module& network);

}  // namespace emotion
