#include "resnet.h"

#include <array>

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include "emotion/batch_norm.h"
#include "emotion/error.h"
#include "emotion/model/inference.h"

namespace emotion {
namespace {

namespace nn = torch::nn;

/// He et al., 2016; torchvision's V1.5: the stride of a bottleneck stands in its 3x3 convolution.
nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t dilation = 1) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2 * dilation).dilation(dilation).bias(false));
}

/// Trained on one picture whose map is 1 x 1, a channel has one value, and no variance: LibTorch's error names no key.
at::Tensor normalised(BatchNorm2d& norm, const at::Tensor& x) {
  if (norm->is_training() && !norm->exchange && x.size(0) * x.size(2) * x.size(3) == 1) {
    throw ConfigError(
        "train.batch: batch norm cannot learn from a batch of one picture whose feature map is 1 x 1; set train.batch to 2 or "
        "more, so that the last batch of an epoch has 2 as well, or a larger data.size");
  }
  return norm(x);
}

/// A residual block: two 3x3 convolutions, or 1x1, 3x3 and 1x1 to four times the width.
class Block : public nn::Module {
 public:
  Block(bool bottleneck, std::int64_t in, std::int64_t width, std::int64_t stride, bool caffe = false, std::int64_t dilation = 1)
      : bottleneck_(bottleneck) {
    const std::int64_t out = bottleneck ? 4 * width : width;
    conv1_ =
        register_module("conv1", bottleneck ? convolution(in, width, 1, caffe ? stride : 1) : convolution(in, width, 3, stride));
    bn1_ = register_module("bn1", BatchNorm2d(width));
    conv2_ = register_module("conv2", convolution(width, width, 3, bottleneck && !caffe ? stride : 1, dilation));
    bn2_ = register_module("bn2", BatchNorm2d(width));
    if (bottleneck) {
      conv3_ = register_module("conv3", convolution(width, out, 1, 1));
      bn3_ = register_module("bn3", BatchNorm2d(out));
    }
    if (stride != 1 || in != out)
      downsample_ = register_module("downsample", nn::Sequential(convolution(in, out, 1, stride), BatchNorm2d(out)));
  }

  at::Tensor forward(const at::Tensor& x) {
    if (inference_form(x) && can_fuse()) return inference(x);
    for (auto& fused : fused_) fused.forget();
    at::Tensor y = normalised(bn1_, conv1_(x)).relu_();
    y = normalised(bn2_, conv2_(y));
    if (bottleneck_) y = bn3_(conv3_(y.relu_()));
    return y.add_(downsample_ ? downsample_->forward(x) : x).relu_();
  }

 private:
  bool can_fuse() const {
    return FusedConvolution::can_fuse(*conv1_, bn1_.get()) && FusedConvolution::can_fuse(*conv2_, bn2_.get()) &&
           (!bottleneck_ || FusedConvolution::can_fuse(*conv3_, bn3_.get())) && (!downsample_ || !downsample_->is_training());
  }

  at::Tensor inference(const at::Tensor& x) {
    at::Tensor shortcut = x;
    if (downsample_) {
      const auto conv = downsample_->ptr(0), norm = downsample_->ptr(1);
      shortcut = fused_[3](*conv->as<nn::Conv2dImpl>(), norm->as<nn::BatchNorm2dImpl>(), x, /*relu=*/false);
    }
    const at::Tensor y = fused_[0](*conv1_, bn1_.get(), x, true);
    if (!bottleneck_) return fused_[1](*conv2_, bn2_.get(), y, true, shortcut);
    return fused_[2](*conv3_, bn3_.get(), fused_[1](*conv2_, bn2_.get(), y, true), true, shortcut);
  }

  bool bottleneck_;
  nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  nn::Sequential downsample_{nullptr};
  std::array<FusedConvolution, 4> fused_;  // conv1 .. conv3, downsample
};

class ResNet final : public Backbone {
 public:
  ResNet(bool bottleneck, const std::array<int, 4>& blocks, std::int64_t channels)
      : channels_(channels), dimension_(bottleneck ? 2048 : 512) {
    conv1_ = register_module("conv1", nn::Conv2d(nn::Conv2dOptions(channels, 64, 7).stride(2).padding(3).bias(false)));
    bn1_ = register_module("bn1", BatchNorm2d(64));
    std::int64_t in = 64;
    for (std::size_t layer = 0; layer < 4; ++layer) {
      const std::int64_t width = std::int64_t{64} << layer;
      nn::Sequential sequence;
      for (int block = 0; block < blocks[layer]; ++block) {
        sequence->push_back(std::make_shared<Block>(bottleneck, in, width, block == 0 && layer > 0 ? 2 : 1));
        in = bottleneck ? 4 * width : width;
      }
      layers_[layer] = register_module("layer" + std::to_string(layer + 1), sequence);
    }
    // Norms start at 1 and 0 by themselves.
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<nn::Conv2dImpl>()) nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
    }
  }

  at::Tensor feature_map(const at::Tensor& images) override {
    at::Tensor x = stem(images);
    for (auto& layer : layers_) x = layer->forward(x);
    return x;
  }
  std::vector<at::Tensor> stages(const at::Tensor& images) override {
    std::vector<at::Tensor> maps;
    at::Tensor x = stem(images);
    for (auto& layer : layers_) maps.push_back(x = layer->forward(x));
    return maps;
  }
  at::Tensor pool(const at::Tensor& map) override { return at::adaptive_avg_pool2d(map, {1, 1}).flatten(1); }
  at::Tensor forward(const at::Tensor& images) override { return pool(feature_map(images)); }
  std::int64_t dimension() const override { return dimension_; }

 private:
  at::Tensor stem(const at::Tensor& images) {
    const at::Tensor in = channels_ == 1 ? images.mean(1, /*keepdim=*/true) : images;
    const bool fuse = inference_form(in) && FusedConvolution::can_fuse(*conv1_, bn1_.get());
    if (!fuse) fused_.forget();
    const at::Tensor x = fuse ? fused_(*conv1_, bn1_.get(), in, true) : bn1_(conv1_(in)).relu_();
    return at::max_pool2d(x, 3, 2, 1);
  }

  std::int64_t channels_, dimension_;
  nn::Conv2d conv1_{nullptr};
  BatchNorm2d bn1_{nullptr};
  FusedConvolution fused_;
  std::array<nn::Sequential, 4> layers_{nn::Sequential{nullptr}, nn::Sequential{nullptr}, nn::Sequential{nullptr},
                                        nn::Sequential{nullptr}};
};

}  // namespace

nn::Sequential make_caffe_layer(std::int64_t in, std::int64_t width, int blocks, std::int64_t stride, std::int64_t dilation) {
  nn::Sequential layer;
  for (int block = 0; block < blocks; ++block)
    layer->push_back(std::make_shared<Block>(true, block == 0 ? in : 4 * width, width, block == 0 ? stride : 1, true, dilation));
  return layer;
}

std::shared_ptr<Backbone> make_resnet(std::string_view name, std::int64_t channels) {
  if (name == "resnet18") return std::make_shared<ResNet>(false, std::array{2, 2, 2, 2}, channels);
  if (name == "resnet34") return std::make_shared<ResNet>(false, std::array{3, 4, 6, 3}, channels);
  if (name == "resnet50") return std::make_shared<ResNet>(true, std::array{3, 4, 6, 3}, channels);
  if (name == "resnet101") return std::make_shared<ResNet>(true, std::array{3, 4, 23, 3}, channels);
  return nullptr;
}

}  // namespace emotion
