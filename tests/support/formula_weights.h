#pragma once

#include <cmath>
#include <string>

#include <zlib.h>

#include "emotion/model/load_state.h"

namespace emotion {

/// sin(0.7390851 i + an offset of the name) for i = first, first + 1, ..: n doubles, made in place.
inline at::Tensor formula_sines(const std::string& name, std::int64_t first, std::int64_t n) {
  const double offset =
      static_cast<double>(crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size())) % 1000);
  return at::arange(first, first + n, at::kDouble).mul_(0.7390851).add_(offset).sin_();
}

/// The last part of a tensor's name.
inline std::string formula_leaf(const std::string& name) { return name.substr(name.rfind('.') + 1); }

inline void fill_tensor_by_formula(const std::string& name, at::Tensor tensor) {
  const std::string leaf = formula_leaf(name);
  at::Tensor values = formula_sines(name, 0, tensor.numel());
  if (leaf == "num_batches_tracked") {
    values.zero_();
  } else if (name == "embedding.weight") {
    values.mul_(0.1).narrow(0, values.numel() - tensor.size(1), tensor.size(1)).zero_();
  } else if (leaf.starts_with("weight") && tensor.dim() > 1) {
    values.mul_(std::sqrt(2.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel())));
  } else if (leaf == "weight" || leaf == "running_var") {
    values.mul_(0.1).add_(1);
  } else {
    values.mul_(0.01);
  }
  tensor.copy_(values.view(tensor.sizes()));
}

/// Gives every parameter and buffer values by a formula of its name: what tests/reference/formula.py computes.
inline void fill_by_formula(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : module_state(module).entries) fill_tensor_by_formula(name, tensor);
}

/// The same, with weights that look random: formula.py's noise().
inline void fill_by_noise(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : module_state(module).entries) {
    if (!formula_leaf(name).starts_with("weight") || tensor.dim() == 1) {
      fill_tensor_by_formula(name, tensor);
      continue;
    }
    at::Tensor u = formula_sines(name, 1, tensor.numel()).mul_(43758.5453);
    const double scale = std::sqrt(24.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
    tensor.copy_(u.sub_(u.floor()).sub_(0.5).mul_(scale).view(tensor.sizes()));
  }
}

}  // namespace emotion
