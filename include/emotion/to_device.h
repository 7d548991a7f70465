#pragma once

#include <ATen/core/Tensor.h>

namespace emotion {

/// A tensor in main memory, as `options` want it. A GPU gets it from pinned memory: from other memory the copy would hold the
/// host until the GPU has done all that was asked of it before.
inline at::Tensor to_device(const at::Tensor& tensor, const at::TensorOptions& options) {
  if (!options.device().is_cuda()) return tensor.to(options);
  const at::Tensor typed = tensor.to(options.dtype());
  return (typed.is_pinned() ? typed : typed.pin_memory()).to(options.device(), /*non_blocking=*/true);
}

}  // namespace emotion
