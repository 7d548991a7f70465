#pragma once

#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

namespace emotion {

/// Whether networks may take their inference form now: on the CPU in float32, where no gradient is recorded, without autocast and
/// with a LibTorch that has oneDNN. Elsewhere the layers run one by one as they are written.
bool inference_form(const at::Tensor& x);

/// A convolution, the batch norm behind it, a sum and a ReLU as one oneDNN operation: y = relu(norm(conv(x)) + residual).
///
/// The norm's scale and shift are folded into the weights in double precision, and those are laid out as oneDNN wants them, at
/// the first use. Whenever a weight or a statistic has been replaced or written to since, that is done again. LibTorch does not
/// count what fused optimisers and a norm in training write as writing: every forward pass that is not in inference form calls
/// forget(). Results differ from those of the single layers by rounding. Only for inference_form(x) and a norm in evaluation mode
/// (see can_fuse()).
class FusedConvolution {
 public:
  FusedConvolution();
  ~FusedConvolution();

  /// False for what stays plain: a norm in training mode or without statistics, other dtypes, padding that is not zero.
  static bool can_fuse(const torch::nn::Conv2dImpl& convolution, const torch::nn::BatchNorm2dImpl* norm);

  /// @param x         float [B, C, H, W]; any memory format
  /// @param norm      nullptr: none
  /// @param residual  undefined, or of the result's shape
  /// @return          float [B, K, h, w], channels_last
  at::Tensor operator()(torch::nn::Conv2dImpl& convolution, torch::nn::BatchNorm2dImpl* norm, const at::Tensor& x, bool relu,
                        const at::Tensor& residual = {});

  /// The next use folds again.
  void forget();

 private:
  struct Packed;
  std::shared_ptr<const Packed> packed(torch::nn::Conv2dImpl& convolution, torch::nn::BatchNorm2dImpl* norm, const at::Tensor& x);

  std::mutex mutex_;
  std::shared_ptr<const Packed> packed_;
};

}  // namespace emotion
