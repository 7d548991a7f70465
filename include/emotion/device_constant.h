#pragma once

#include <ATen/core/Tensor.h>

namespace emotion {

/// A constant made in main memory, as `options` want it. A GPU gets it from pinned memory: the host goes on at once, where it
/// would else wait for all that the GPU has to do before.
inline at::Tensor device_constant(const at::Tensor& values, const at::TensorOptions& options) {
  if (!options.device().is_cuda()) return values.to(options);
  return values.to(options.dtype()).pin_memory().to(options.device(), /*non_blocking=*/true);
}

}  // namespace emotion
