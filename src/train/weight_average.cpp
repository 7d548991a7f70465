#include "weight_average.h"

#include <ATen/ops/_foreach_lerp.h>

#include "emotion/error.h"

namespace emotion {

WeightAverage::WeightAverage(torch::nn::Module& network, double decay)
    : network_(network), decay_(decay), parameters_(network.parameters()) {
  for (const auto& parameter : parameters_) averages_.push_back(parameter.detach().clone());
}

void WeightAverage::update() {
  const at::NoGradGuard no_grad;
  if (begun_) {
    at::_foreach_lerp_(averages_, parameters_, 1 - decay_);
  } else {  // the initial weights have no part in it
    for (std::size_t i = 0; i < parameters_.size(); ++i) averages_[i].copy_(parameters_[i]);
  }
  begun_ = true;
}

void WeightAverage::restore(const StateDict& model, bool begun) {
  const at::NoGradGuard no_grad;
  std::size_t i = 0;
  for (const auto& item : network_.named_parameters()) {
    const at::Tensor* saved = model.find(item.key());
    if (!saved || saved->sizes() != averages_[i].sizes())
      throw WeightsError("model.safetensors: " + item.key() + " is missing or has another shape");
    averages_[i++].copy_(*saved);
  }
  begun_ = begun;
}

void WeightAverage::exchange() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor kept = parameters_[i].detach().clone();
    parameters_[i].copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

}  // namespace emotion
