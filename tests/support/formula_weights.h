#pragma once

#include <cmath>
#include <string>

#include <zlib.h>

#include "emotion/model/load_state.h"

namespace emotion {

/// Gives every parameter and buffer values by a formula of its name: what tests/reference/formula.py computes.
inline void fill_by_formula(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : module_state(module).entries) {
    const std::string leaf = name.substr(name.rfind('.') + 1);
    const double offset =
        static_cast<double>(crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size())) % 1000);
    at::Tensor values = at::sin(at::arange(tensor.numel(), at::kDouble) * 0.7390851 + offset);
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
    at::Tensor(tensor).copy_(values.view(tensor.sizes()));
  }
}

/// The same, with weights that look random: formula.py's noise().
inline void fill_by_noise(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  fill_by_formula(module);
  for (auto& [name, tensor] : module_state(module).entries) {
    if (!name.substr(name.rfind('.') + 1).starts_with("weight") || tensor.dim() == 1) continue;
    const double offset =
        static_cast<double>(crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size())) % 1000);
    const at::Tensor u = at::sin((at::arange(tensor.numel(), at::kDouble) + 1) * 0.7390851 + offset) * 43758.5453;
    const double scale = std::sqrt(24.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
    at::Tensor(tensor).copy_(((u - u.floor() - 0.5) * scale).view(tensor.sizes()));
  }
}

}  // namespace emotion
