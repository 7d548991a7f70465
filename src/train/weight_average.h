#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "emotion/io/weights.h"

namespace emotion {

/// Exponential moving average of a network's parameters: a <- w after the first step, as PyTorch's AveragedModel begins, then
/// a <- decay a + (1 - decay) w. Buffers are the network's own.
class WeightAverage {
 public:
  /// The network must outlive the average.
  WeightAverage(torch::nn::Module& network, double decay);
  void update();
  /// True once an update has been.
  bool begun() const { return begun_; }
  /// Takes the averaged parameters of a saved model, and whether an update had been. @throws WeightsError
  void restore(const StateDict& model, bool begun);

  /// While it lives the network has the averaged parameters. With no average nothing changes.
  class Swap {
   public:
    explicit Swap(WeightAverage* average) : average_(average) {
      if (average_) average_->exchange();
    }
    ~Swap() {
      if (average_) average_->exchange();
    }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    WeightAverage* average_;
  };

 private:
  void exchange();
  torch::nn::Module& network_;
  double decay_;
  bool begun_ = false;
  std::vector<at::Tensor> parameters_, averages_;
};

}  // namespace emotion
