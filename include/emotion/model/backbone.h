#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>

namespace emotion {

/// A network from images to one feature vector each, with torchvision's parameter names (no final layer).
class Backbone : public torch::nn::Module {
 public:
  /// images: float [B, 3, H, W], normalised -> features [B, dimension()]
  virtual at::Tensor forward(const at::Tensor& images) = 0;
  /// The last feature map before pooling: [B, C, h, w].
  virtual at::Tensor feature_map(const at::Tensor& images) = 0;
  /// Pools a feature_map() to features: forward(x) = pool(feature_map(x)).
  virtual at::Tensor pool(const at::Tensor& map) = 0;
  virtual std::int64_t dimension() const = 0;
  /// A ResNet's maps after layer1 .. layer4: strides 4, 8, 16, 32. @throws ConfigError for other networks
  virtual std::vector<at::Tensor> stages(const at::Tensor& images);
};

/// resnet18, resnet34, resnet50, resnet101, vgg16, alexnet, with torchvision's initialisation (drawn from torch's default
/// CPU generator in torchvision's order). `channels` 1 (ResNets): a stem for grey pictures, which reads the mean of the three
/// channels.
/// @throws ConfigError listing the names
std::shared_ptr<Backbone> make_backbone(std::string_view name, std::int64_t channels = 3);
const std::vector<std::string>& backbone_names();

/// A layer of a bottleneck ResNet as Caffe's models have it: the stride stands in the first 1x1 convolution.
torch::nn::Sequential make_caffe_layer(std::int64_t in, std::int64_t width, int blocks, std::int64_t stride,
                                       std::int64_t dilation = 1);

}  // namespace emotion
