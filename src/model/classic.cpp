#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include "emotion/model/inference.h"
#include "resnet.h"

namespace emotion {
namespace {

namespace nn = torch::nn;

/// Convolutions, pooling to a fixed map, and fully connected layers: VGG-16 (Simonyan and Zisserman, 2015) and AlexNet
/// (Krizhevsky, 2014), as torchvision numbers their layers; the last linear layer is left out.
class Classic final : public Backbone {
 public:
  Classic(nn::Sequential features, nn::Sequential classifier, std::int64_t map_size) : map_size_(map_size) {
    features_ = register_module("features", std::move(features));
    classifier_ = register_module("classifier", std::move(classifier));
    fused_ = std::vector<FusedConvolution>(features_->size());
  }
  at::Tensor feature_map(const at::Tensor& images) override {
    if (!inference_form(images)) {
      for (auto& fused : fused_) fused.forget();
      return features_->forward(images);
    }
    at::Tensor x = images;
    for (std::size_t i = 0; i < features_->size(); ++i) {
      const auto layer = features_->ptr(i);
      if (auto* conv = layer->as<nn::Conv2dImpl>(); conv && FusedConvolution::can_fuse(*conv, nullptr))
        x = fused_[i](*conv, nullptr, x, /*relu=*/true);  // each has a ReLU behind it
      else if (auto* pool = layer->as<nn::MaxPool2dImpl>())
        x = pool->forward(x);
      else if (conv)
        x = conv->forward(x).relu_();
    }
    return x;
  }
  at::Tensor pool(const at::Tensor& map) override {
    // Of a map that has the size it is the identity, for which a GPU has no deterministic gradient.
    const bool fits = map.size(2) == map_size_ && map.size(3) == map_size_;
    return classifier_->forward((fits ? map : at::adaptive_avg_pool2d(map, {map_size_, map_size_})).flatten(1));
  }
  at::Tensor forward(const at::Tensor& images) override { return pool(feature_map(images)); }
  std::int64_t dimension() const override { return 4096; }

 private:
  std::int64_t map_size_;
  nn::Sequential features_{nullptr}, classifier_{nullptr};
  std::vector<FusedConvolution> fused_;  // of the convolutions in `features`; the others stay empty
};

nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding));
}
nn::ReLU relu() { return nn::ReLU(nn::ReLUOptions(true)); }

std::shared_ptr<Backbone> make_vgg16() {
  nn::Sequential features;
  std::int64_t in = 3;
  for (const std::int64_t out : {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0}) {
    if (out == 0) {
      features->push_back(nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(2)));
      continue;
    }
    features->push_back(convolution(in, out, 3, 1, 1));
    features->push_back(relu());
    in = out;
  }
  nn::Sequential classifier(nn::Linear(512 * 7 * 7, 4096), relu(), nn::Dropout(), nn::Linear(4096, 4096), relu(), nn::Dropout());
  auto network = std::make_shared<Classic>(features, classifier, 7);
  for (const auto& module : network->modules(false)) {
    if (auto* conv = module->as<nn::Conv2dImpl>()) {
      nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
      nn::init::constant_(conv->bias, 0);
    } else if (auto* linear = module->as<nn::LinearImpl>()) {
      nn::init::normal_(linear->weight, 0, 0.01);
      nn::init::constant_(linear->bias, 0);
    }
  }
  return network;
}

std::shared_ptr<Backbone> make_alexnet() {
  const auto pool = [] { return nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2)); };
  nn::Sequential features(convolution(3, 64, 11, 4, 2), relu(), pool(), convolution(64, 192, 5, 1, 2), relu(), pool(),
                          convolution(192, 384, 3, 1, 1), relu(), convolution(384, 256, 3, 1, 1), relu(),
                          convolution(256, 256, 3, 1, 1), relu(), pool());
  nn::Sequential classifier(nn::Dropout(), nn::Linear(256 * 6 * 6, 4096), relu(), nn::Dropout(), nn::Linear(4096, 4096), relu());
  return std::make_shared<Classic>(features, classifier, 6);
}

}  // namespace

std::shared_ptr<Backbone> make_classic(std::string_view name) {
  if (name == "vgg16") return make_vgg16();
  if (name == "alexnet") return make_alexnet();
  return nullptr;
}

}  // namespace emotion
