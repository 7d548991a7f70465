#pragma once

#include <cstdint>

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/pimpl.h>

namespace emotion {

/// Region features of a batch, padded to the same number.
struct RegionBatch {
  at::Tensor features;  ///< float [B, N, F]; rows past an image's count are zero
  at::Tensor counts;    ///< int64 [B]: regions of each image, 0 .. N
};

struct SemanticNetOptions {
  std::int64_t feature = 2048;   ///< F: width of a region's feature
  std::int64_t hidden = 512;     ///< H = d2
  std::int64_t attention = 512;  ///< M
  std::int64_t steps = 10;       ///< T
  bool lag = true;               ///< Eq 9 as printed: the correlation LSTM reads h_att of the step before; false: of this step
  bool fc = false;               ///< Table II's other form: fully connected layers in place of the LSTMs
};

struct SemanticNetOutput {
  at::Tensor features;   ///< v_s float [B, H]; 0 where an image has no region
  at::Tensor attention;  ///< alpha float [B, T, N], each step sums to 1 over the image's regions; undefined for fc
};

/// Semantic-Net (Stimuli-aware VEA, Eq 3-10): an attention LSTM weighs the regions, a correlation LSTM gathers what is seen. Of
/// an image's n regions f_i [F], for t = 1 .. T, all states 0 at t = 0 (the LSTMs' cell states are not written out):
///
///     h_att(t) = LSTM_att([h_cor(t-1), mean of f], h_att(t-1))            [H]   Eq 3, 4
///     a_i(t) = w^T tanh(W_f f_i + W_h h_att(t))                                 Eq 5
///     alpha(t) = softmax of a(t) over the n regions                       [n]   Eq 6
///     f_att(t) = sum of alpha_i(t) f_i                                    [F]   Eq 7
///     h_cor(t) = LSTM_cor([h_att(t-1), f_att(t)], h_cor(t-1))             [H]   Eq 8, 9; without lag: h_att(t)
///     v_s = h_cor(T)                                                      [H]   Eq 10
///
/// fc, which the paper does not write out: v_s = mean over the regions of relu(W_2 relu(W_1 f_i + b_1) + b_2).
///
/// Parameters: attention_lstm.*, correlation_lstm.* (weight_ih [4H, H + F], weight_hh [4H, H], gates in PyTorch's order),
/// attention.{feature [M, F], hidden [M, H], score [1, M]}.weight, which are W_f, W_h, w; for fc: fc.{0, 2}.{weight, bias}.
class SemanticNetImpl : public torch::nn::Module {
 public:
  explicit SemanticNetImpl(const SemanticNetOptions& options);
  /// N may differ from batch to batch; both tensors on the network's device.
  /// @throws c10::Error for features of another width than options().feature, another type or device
  SemanticNetOutput forward(const RegionBatch& regions);
  const SemanticNetOptions& options() const { return options_; }

 private:
  SemanticNetOutput weigh(const RegionBatch& regions, const at::Tensor& mask, const at::Tensor& mean);

  SemanticNetOptions options_;
  torch::nn::LSTMCell attention_lstm_{nullptr}, correlation_lstm_{nullptr};
  torch::nn::Linear feature_{nullptr}, hidden_{nullptr}, score_{nullptr};  // W_f, W_h, omega_a of Eq 5
  torch::nn::Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(SemanticNet);

}  // namespace emotion
