#include "emotion/stimuli/bottom_up.h"

#include <algorithm>

#include <torch/nn/modules/container/sequential.h>

#include "emotion/stimuli/anchors.h"
#include "emotion/stimuli/nms.h"
#include "emotion/stimuli/roi_pool.h"

namespace emotion {
namespace {

namespace nn = torch::nn;

constexpr std::int64_t kRegionsAtOnce = 32;

std::shared_ptr<nn::Module> group(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::Module>());
}

nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

}  // namespace

BottomUpImpl::BottomUpImpl(const BottomUpOptions& options) : options_(options) {
  const auto backbone = group(*this, "backbone"), rpn = group(*this, "rpn"), heads = group(*this, "roi_heads"),
             attributes = group(*this, "attributes");
  conv1_ = backbone->register_module("conv1", nn::Conv2d(nn::Conv2dOptions(3, 64, 7).stride(2).padding(3).bias(false)));
  bn1_ = backbone->register_module("bn1", nn::BatchNorm2d(64));
  layer1_ = backbone->register_module("layer1", make_caffe_layer(64, 64, options.blocks[0], 1));
  layer2_ = backbone->register_module("layer2", make_caffe_layer(256, 128, options.blocks[1], 2));
  layer3_ = backbone->register_module("layer3", make_caffe_layer(512, 256, options.blocks[2], 2));
  layer4_ = heads->register_module("layer4", make_caffe_layer(1024, 512, options.blocks[3], 1, /*dilation=*/2));
  const std::int64_t anchors = cell_anchors().size(0);
  rpn_conv_ = rpn->register_module("conv", convolution(1024, 512, 3));
  objectness_ = rpn->register_module("objectness", convolution(512, anchors, 1));
  offsets_ = rpn->register_module("offsets", convolution(512, 4 * anchors, 1));
  cls_score_ = heads->register_module("cls_score", nn::Linear(2048, options.classes + 1));
  if (options.attributes == 0) return;
  embedding_ = attributes->register_module("embedding", nn::Embedding(options.classes + 1, options.embedding));
  hidden_ = attributes->register_module("hidden", nn::Linear(2048 + options.embedding, options.hidden));
  attribute_score_ = attributes->register_module("score", nn::Linear(options.hidden, options.attributes + 1));
}

at::Tensor BottomUpImpl::cell_anchors() { return caffe_cell_anchors(kStride, {0.5, 1, 2}, {4, 8, 16, 32}); }

at::Tensor BottomUpImpl::map(const at::Tensor& images) {
  const at::Tensor x = at::max_pool2d(bn1_(conv1_(images)).relu_(), 3, 2, 0, 1, /*ceil_mode=*/true);
  return layer3_->forward(layer2_->forward(layer1_->forward(x)));
}

at::Tensor BottomUpImpl::propose(const at::Tensor& map, const ImageSize& size, double scale) {
  const at::Tensor x = at::relu(rpn_conv_(map));
  const at::Tensor scores = objectness_(x)[0].permute({1, 2, 0}).flatten().to(at::kFloat);
  const std::int64_t anchors = objectness_->weight.size(0);
  const at::Tensor offsets =
      offsets_(x)[0].view({anchors, 4, map.size(2), map.size(3)}).permute({2, 3, 0, 1}).reshape({-1, 4}).to(at::kFloat);
  const at::Tensor references = grid_anchors(cell_anchors().to(map.device()), {map.size(2), map.size(3)}, {kStride, kStride});
  const BoxCoder coder{.side = kPixel};
  at::Tensor boxes = clip_boxes(coder.decode(offsets, references).squeeze(1), size, kPixel);
  const at::Tensor large = large_boxes(boxes, options_.proposal_side * scale - kPixel);
  boxes = boxes.index_select(0, large);
  const at::Tensor found = scores.index_select(0, large);
  const at::Tensor best = std::get<1>(found.topk(std::min(options_.candidates, found.size(0))));
  boxes = boxes.index_select(0, best);
  const at::Tensor kept = nms(boxes, found.index_select(0, best), options_.proposal_nms, kPixel);
  return boxes.index_select(0, kept.narrow(0, 0, std::min(options_.proposals, kept.size(0))));
}

at::Tensor BottomUpImpl::region_features(const at::Tensor& map, const at::Tensor& boxes) {
  const at::Tensor rows = at::cat({at::zeros({boxes.size(0), 1}, boxes.options()), boxes}, 1);
  std::vector<at::Tensor> features;
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kRegionsAtOnce) {
    const at::Tensor some = rows.narrow(0, begin, std::min(kRegionsAtOnce, rows.size(0) - begin));
    features.push_back(layer4_->forward(roi_max_pool(map, some, 1.0 / kStride, kBins)).mean(at::IntArrayRef({2, 3})));
  }
  return features.empty() ? at::zeros({0, 2048}, map.options()) : at::cat(features);
}

Detections BottomUpImpl::choose(const at::Tensor& boxes, const at::Tensor& features, double scale) {
  const at::Tensor scores = at::softmax(cls_score_(features).to(at::kFloat), 1);
  const at::Tensor original = boxes / scale;  // one pixel more a side is another overlap there
  const std::int64_t n = boxes.size(0);
  at::Tensor best = at::zeros({n}, scores.options());
  for (std::int64_t k = 1; k <= options_.classes; ++k) {
    const at::Tensor own = scores.select(1, k), kept = nms(original, own, options_.nms, kPixel);
    best.index_put_({kept}, at::maximum(best.index_select(0, kept), own.index_select(0, kept)));
  }
  const auto [sorted, order] = best.sort(/*stable=*/true, 0, /*descending=*/true);
  const std::int64_t sure = sorted.ge(options_.least_score).sum().item<std::int64_t>();
  const std::int64_t count = std::min(n, std::clamp(sure, options_.least, options_.most));
  const at::Tensor rows = order.narrow(0, 0, count);
  Detections found{.boxes = original.index_select(0, rows),
                   .scores = sorted.narrow(0, 0, count),
                   .labels = scores.index_select(0, rows).narrow(1, 1, options_.classes).argmax(1),
                   .features = features.index_select(0, rows).to(at::kFloat),
                   .attributes = {}};
  if (embedding_) {
    // Caffe asks for the attributes of the likeliest class, "none" included.
    const at::Tensor cls = scores.index_select(0, rows).argmax(1);
    const at::Tensor hidden = at::relu(hidden_(at::cat({features.index_select(0, rows), embedding_(cls)}, 1)));
    found.attributes = attribute_score_(hidden).narrow(1, 1, options_.attributes).argmax(1);
  }
  return found;
}

std::vector<Detections> BottomUpImpl::detect(const DetectorInput& input, bool with_features) {
  const at::NoGradGuard no_grad;
  std::vector<Detections> all;
  for (std::size_t i = 0; i < input.sizes.size(); ++i) {
    const ImageSize &size = input.sizes[i], &original = input.original[i];
    // One picture at a time: ceil pooling looks beyond the edge, where another's padding would be.
    const at::Tensor picture =
        input.images.narrow(0, static_cast<std::int64_t>(i), 1).narrow(2, 0, size.height).narrow(3, 0, size.width);
    const double scale = resize_scale(original, options_.transform);
    const at::Tensor features = map(picture), boxes = propose(features, size, scale);
    Detections found = choose(boxes, region_features(features, boxes), scale);
    found.boxes = clip_boxes(found.boxes, original);
    if (!with_features) found.features.reset();
    all.push_back(std::move(found));
  }
  return all;
}

}  // namespace emotion
