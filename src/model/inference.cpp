#include "emotion/model/inference.h"

#include <array>
#include <optional>
#include <string_view>
#include <variant>

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

namespace emotion {
namespace {

using Scalars = torch::List<std::optional<at::Scalar>>;
using Text = std::optional<std::string_view>;
// The operations torch.compile emits for a CPU; they have no header.
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::IntArrayRef,
                             at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view, Scalars, Text);
using Binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                          at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view,
                          std::optional<at::Scalar>, Text, Scalars, Text);

struct Operations {
  std::optional<c10::OperatorHandle> pointwise, binary, reorder;
  bool complete() const { return pointwise && binary && reorder; }
};

const Operations& operations() {
  static const Operations found = [] {
    auto& dispatcher = c10::Dispatcher::singleton();
    return Operations{dispatcher.findSchema({"mkldnn::_convolution_pointwise", ""}),
                      dispatcher.findSchema({"mkldnn::_convolution_pointwise", "binary"}),
                      dispatcher.findSchema({"mkldnn::_reorder_convolution_weight", ""})};
  }();
  return found;
}

bool plain_float(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided && !tensor.is_inference();
}

/// A tensor as it was: another storage, or a later version of the same, is another value.
struct Mark {
  const void* data = nullptr;
  std::uint32_t version = 0;
  bool operator==(const Mark&) const = default;
};

Mark mark(const at::Tensor& tensor) {
  return tensor.defined() ? Mark{tensor.const_data_ptr(), static_cast<std::uint32_t>(tensor._version())} : Mark{};
}

using Marks = std::array<Mark, 6>;

Marks marks(const torch::nn::Conv2dImpl& convolution, const torch::nn::BatchNorm2dImpl* norm) {
  Marks all{mark(convolution.weight), mark(convolution.bias)};
  if (norm) {
    all[2] = mark(norm->weight);
    all[3] = mark(norm->bias);
    all[4] = mark(norm->running_mean);
    all[5] = mark(norm->running_var);
  }
  return all;
}

/// The layout that oneDNN prefers for inputs of this size.
at::Tensor reorder(const at::Tensor& weight, const torch::nn::Conv2dImpl& convolution, const at::Tensor& x,
                   at::IntArrayRef padding) {
  torch::jit::Stack stack{weight, padding, *convolution.options.stride(), *convolution.options.dilation(),
                          convolution.options.groups()};
  stack.emplace_back(x.sizes());
  operations().reorder->callBoxed(stack);
  return stack.at(0).toTensor();
}

}  // namespace

struct FusedConvolution::Packed {
  Marks made_from;
  double eps = 0;
  std::vector<std::int64_t> padding;
  at::Tensor weight;                ///< opaque to all but oneDNN
  std::optional<at::Tensor> shift;  ///< float [K]
  // What `weight` was made of stays alive: a new tensor in its place could not be told from it otherwise.
  std::array<at::Tensor, 6> owners;
};

FusedConvolution::FusedConvolution() = default;
FusedConvolution::~FusedConvolution() = default;

bool inference_form(const at::Tensor& x) {
  return !at::GradMode::is_enabled() && x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 &&
         x.numel() > 0 && !at::autocast::is_autocast_enabled(at::kCPU) && at::globalContext().userEnabledMkldnn() &&
         operations().complete();
}

bool FusedConvolution::can_fuse(const torch::nn::Conv2dImpl& convolution, const torch::nn::BatchNorm2dImpl* norm) {
  if (!plain_float(convolution.weight) || !std::holds_alternative<torch::enumtype::kZeros>(convolution.options.padding_mode()) ||
      !std::holds_alternative<torch::ExpandingArray<2>>(convolution.options.padding()))
    return false;
  if (!norm) return true;
  return !norm->is_training() && norm->running_mean.defined() && plain_float(norm->running_mean) &&
         (!norm->weight.defined() || plain_float(norm->weight));
}

std::shared_ptr<const FusedConvolution::Packed> FusedConvolution::packed(torch::nn::Conv2dImpl& convolution,
                                                                         torch::nn::BatchNorm2dImpl* norm, const at::Tensor& x) {
  const Marks now = marks(convolution, norm);
  const double eps = norm ? norm->options.eps() : 0;
  const std::lock_guard lock(mutex_);
  if (packed_ && packed_->made_from == now && packed_->eps == eps) return packed_;
  const auto fresh = std::make_shared<Packed>();
  fresh->made_from = now;
  fresh->eps = eps;
  fresh->padding = at::IntArrayRef(*std::get<torch::ExpandingArray<2>>(convolution.options.padding())).vec();
  fresh->owners = {convolution.weight, convolution.bias};
  at::Tensor weight = convolution.weight.detach(), shift = convolution.bias.defined() ? convolution.bias.detach() : at::Tensor();
  if (norm) {
    fresh->owners = {convolution.weight, convolution.bias, norm->weight, norm->bias, norm->running_mean, norm->running_var};
    at::Tensor scale = (norm->running_var.to(at::kDouble) + eps).rsqrt_();
    if (norm->weight.defined()) scale = scale * norm->weight.detach().to(at::kDouble);
    at::Tensor moved = -norm->running_mean.to(at::kDouble);
    if (shift.defined()) moved = moved + shift;
    moved = moved * scale;
    if (norm->bias.defined()) moved = moved + norm->bias.detach();
    weight = (weight.to(at::kDouble) * scale.view({-1, 1, 1, 1})).to(at::kFloat);
    shift = moved.to(at::kFloat);
  }
  weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  fresh->weight = reorder(weight, convolution, x, fresh->padding);
  if (shift.defined()) fresh->shift = shift.contiguous();
  packed_ = fresh;
  return fresh;
}

void FusedConvolution::forget() {
  const std::lock_guard lock(mutex_);
  packed_.reset();
}

at::Tensor FusedConvolution::operator()(torch::nn::Conv2dImpl& convolution, torch::nn::BatchNorm2dImpl* norm, const at::Tensor& x,
                                        bool relu, const at::Tensor& residual) {
  static const auto pointwise = operations().pointwise->typed<Pointwise>();
  static const auto binary = operations().binary->typed<Binary>();
  const at::Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto ready = packed(convolution, norm, in);
  const at::IntArrayRef stride = *convolution.options.stride(), dilation = *convolution.options.dilation();
  const std::int64_t groups = convolution.options.groups();
  if (!residual.defined())
    return pointwise.call(in, ready->weight, ready->shift, ready->padding, stride, dilation, groups, relu ? "relu" : "none",
                          Scalars{}, std::nullopt);
  return binary.call(in, residual.contiguous(at::MemoryFormat::ChannelsLast), ready->weight, ready->shift, ready->padding, stride,
                     dilation, groups, "add", std::nullopt, relu ? Text("relu") : std::nullopt, Scalars{}, std::nullopt);
}

}  // namespace emotion
