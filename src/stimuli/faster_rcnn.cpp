#include "emotion/stimuli/faster_rcnn.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include "emotion/error.h"
#include "emotion/stimuli/anchors.h"
#include "emotion/stimuli/nms.h"
#include "emotion/stimuli/roi_align.h"

namespace emotion {
namespace {

namespace nn = torch::nn;

/// A module that is nothing but a part of a name.
std::shared_ptr<nn::Module> group(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::Module>());
}

nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

/// Registers a convolution of the pyramid as NAME.0, initialised as torchvision does.
nn::Conv2d pyramid_convolution(nn::Module& parent, std::size_t place, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  nn::Conv2d conv = convolution(in, out, kernel);
  nn::init::kaiming_uniform_(conv->weight, /*a=*/1);
  nn::init::constant_(conv->bias, 0);
  return group(parent, std::to_string(place))->register_module("0", conv);
}

nn::Conv2d proposal_convolution(nn::Module& parent, const std::string& name, std::int64_t in, std::int64_t out,
                                std::int64_t kernel) {
  nn::Conv2d conv = convolution(in, out, kernel);
  nn::init::normal_(conv->weight, 0, 0.01);
  nn::init::constant_(conv->bias, 0);
  return parent.register_module(name, conv);
}

/// [B, A C, h, w] -> [B, h w A, C]
at::Tensor by_anchor(const at::Tensor& map, std::int64_t numbers) {
  const std::int64_t n = map.size(0), h = map.size(2), w = map.size(3);
  return map.reshape({n, -1, numbers, h, w}).permute({0, 3, 4, 1, 2}).reshape({n, -1, numbers});
}

}  // namespace

FasterRCNNImpl::FasterRCNNImpl(const FasterRCNNOptions& options) : options_(options) {
  if (options.classes < 1) throw ConfigError("a detector needs at least one class");
  body = make_backbone(options.backbone);
  if (!options.backbone.starts_with("resnet")) body->stages({});  // throws
  const auto backbone = group(*this, "backbone");
  backbone->register_module("body", body);
  const auto fpn = group(*backbone, "fpn"), inner = group(*fpn, "inner_blocks"), layer = group(*fpn, "layer_blocks");
  for (std::size_t i = 0; i < 4; ++i) {
    const std::int64_t in = body->dimension() >> (3 - i);
    inner_.push_back(pyramid_convolution(*inner, i, in, options.channels, 1));
    layer_.push_back(pyramid_convolution(*layer, i, options.channels, options.channels, 3));
  }
  const auto head = group(*group(*this, "rpn"), "head");
  const auto anchors = static_cast<std::int64_t>(anchor_ratios().size());
  rpn_conv_ = proposal_convolution(*group(*group(*head, "conv"), "0"), "0", options.channels, options.channels, 3);
  rpn_logits_ = proposal_convolution(*head, "cls_logits", options.channels, anchors, 1);
  rpn_offsets_ = proposal_convolution(*head, "bbox_pred", options.channels, 4 * anchors, 1);
  const auto roi_heads = group(*this, "roi_heads"), box_head = group(*roi_heads, "box_head"),
             predictor = group(*roi_heads, "box_predictor");
  fc6_ = box_head->register_module("fc6", nn::Linear(options.channels * 49, options.head));
  fc7_ = box_head->register_module("fc7", nn::Linear(options.head, options.head));
  logits_ = predictor->register_module("cls_score", nn::Linear(options.head, options.classes + 1));
  offsets_ = predictor->register_module("bbox_pred", nn::Linear(options.head, 4 * (options.classes + 1)));

  static const std::array<std::string, 5> order{"layer4.", "layer3.", "layer2.", "layer1.", "conv1."};
  for (auto& item : body->named_parameters()) {
    const auto end = order.begin() + std::clamp<std::int64_t>(options.trainable_layers, 0, 5);
    const bool trained = std::any_of(order.begin(), end, [&](const std::string& name) { return item.key().starts_with(name); });
    item.value().set_requires_grad(trained || (options.trainable_layers >= 5 && item.key().starts_with("bn1.")));
  }
  for (const auto& module : body->modules(/*include_self=*/false)) {
    auto* norm = module->as<nn::BatchNorm2dImpl>();
    if (!norm) continue;
    norm->options.eps(options.norm_eps);
    if (options.frozen_norms) {
      norm->weight.set_requires_grad(false);
      norm->bias.set_requires_grad(false);
    }
  }
  train();
}

void FasterRCNNImpl::train(bool on) {
  nn::Module::train(on);
  if (!on || !options_.frozen_norms) return;
  for (const auto& module : body->modules(/*include_self=*/false)) {
    if (module->as<nn::BatchNorm2dImpl>()) module->eval();
  }
}

std::vector<at::Tensor> FasterRCNNImpl::pyramid(const at::Tensor& images) {
  const std::vector<at::Tensor> maps = body->stages(images);
  std::vector<at::Tensor> levels(maps.size());
  at::Tensor coarser;
  for (std::size_t i = maps.size(); i-- > 0;) {
    at::Tensor level = inner_[i](maps[i]);
    if (coarser.defined()) level = level + at::upsample_nearest2d(coarser, level.sizes().slice(2));
    levels[i] = layer_[i](level);
    coarser = level;
  }
  levels.push_back(at::max_pool2d(levels.back(), 1, 2));
  return levels;
}

ProposalOutput FasterRCNNImpl::propose(const std::vector<at::Tensor>& levels, const at::Tensor& images) {
  std::vector<at::Tensor> objectness, offsets, anchors;
  ProposalOutput output;
  double size = options_.anchor_size;
  for (const at::Tensor& level : levels) {
    const at::Tensor x = at::relu(rpn_conv_(level));
    objectness.push_back(by_anchor(rpn_logits_(x), 1).squeeze(2));
    offsets.push_back(by_anchor(rpn_offsets_(x), 4));
    const ImageSize grid{level.size(2), level.size(3)}, stride{images.size(2) / grid.height, images.size(3) / grid.width};
    anchors.push_back(grid_anchors(cell_anchors({size}, anchor_ratios()), grid, stride));
    output.counts.push_back(anchors.back().size(0));
    size *= 2;
  }
  output.objectness = at::cat(objectness, 1);
  output.offsets = at::cat(offsets, 1);
  output.anchors = at::cat(anchors).to(images.device());
  return output;
}

std::vector<at::Tensor> FasterRCNNImpl::choose_proposals(const ProposalOutput& output,
                                                         const std::vector<ImageSize>& sizes) const {
  const at::NoGradGuard no_grad;
  const std::int64_t most = is_training() ? options_.train_proposals : options_.proposals;
  const at::Tensor objectness = output.objectness.detach().to(at::kFloat), offsets = output.offsets.detach().to(at::kFloat);
  std::vector<at::Tensor> chosen;
  for (std::int64_t i = 0; i < objectness.size(0); ++i) {
    std::vector<at::Tensor> places, levels;
    std::int64_t begin = 0;
    for (std::size_t level = 0; level < output.counts.size(); ++level) {
      const std::int64_t count = output.counts[level], k = std::min(most, count);
      places.push_back(std::get<1>(objectness[i].narrow(0, begin, count).topk(k)) + begin);
      levels.push_back(at::full({k}, static_cast<std::int64_t>(level), places.back().options()));
      begin += count;
    }
    const at::Tensor place = at::cat(places);
    at::Tensor boxes =
        proposal_coder().decode(offsets[i].index_select(0, place), output.anchors.index_select(0, place)).squeeze(1);
    boxes = clip_boxes(boxes, sizes[static_cast<std::size_t>(i)]);
    const at::Tensor large = large_boxes(boxes, kLeastProposal);
    boxes = boxes.index_select(0, large);
    const at::Tensor scores = at::sigmoid(objectness[i].index_select(0, place.index_select(0, large)));
    const at::Tensor kept = batched_nms(boxes, scores, at::cat(levels).index_select(0, large), options_.proposal_nms);
    chosen.push_back(boxes.index_select(0, kept.narrow(0, 0, std::min(most, kept.size(0)))));
  }
  return chosen;
}

at::Tensor FasterRCNNImpl::box_features(const std::vector<at::Tensor>& levels, const std::vector<at::Tensor>& boxes) {
  const std::vector<at::Tensor> pooled(levels.begin(), levels.begin() + 4);
  const at::Tensor regions = pyramid_roi_align(pooled, boxes, {});
  return at::relu(fc7_(at::relu(fc6_(regions.flatten(1)))));
}

BoxOutput FasterRCNNImpl::classify(const at::Tensor& features) { return {logits_(features), offsets_(features)}; }

Detections FasterRCNNImpl::choose_detections(const at::Tensor& all, const at::Tensor& probabilities,
                                             const ImageSize& size) const {
  const std::int64_t classes = options_.classes;
  at::Tensor boxes = clip_boxes(all, size).narrow(1, 1, classes).reshape({-1, 4});
  at::Tensor scores = probabilities.narrow(1, 1, classes).reshape({-1});
  at::Tensor labels =
      at::arange(classes, scores.options().dtype(at::kLong)).expand({probabilities.size(0), classes}).reshape({-1});
  const auto keep = [&](const at::Tensor& rows) {
    boxes = boxes.index_select(0, rows);
    scores = scores.index_select(0, rows);
    labels = labels.index_select(0, rows);
  };
  keep(at::nonzero(scores.gt(options_.score_threshold)).flatten());
  keep(large_boxes(boxes, kLeastDetection));
  const at::Tensor kept = batched_nms(boxes, scores, labels, options_.nms_threshold);
  keep(kept.narrow(0, 0, std::min(options_.detections, kept.size(0))));
  return {.boxes = boxes, .scores = scores, .labels = labels, .features = {}, .attributes = {}};
}

std::vector<Detections> FasterRCNNImpl::detect(const DetectorInput& input, bool with_features) {
  const at::NoGradGuard no_grad;
  std::vector<Detections> found(input.sizes.size());
  for (const AlikePictures& part : alike_pictures(input, options_.transform.divisible)) {
    std::vector<Detections> own = detect_alike(part.input, with_features);
    for (std::size_t i = 0; i < own.size(); ++i) found[part.places[i]] = std::move(own[i]);
  }
  return found;
}

std::vector<Detections> FasterRCNNImpl::detect_alike(const DetectorInput& input, bool with_features) {
  const auto levels = pyramid(input.images);
  const auto proposals = choose_proposals(propose(levels, input.images), input.sizes);
  const BoxOutput output = classify(box_features(levels, proposals));
  const at::Tensor boxes = detection_coder().decode(output.offsets.to(at::kFloat), at::cat(proposals));
  const at::Tensor scores = at::softmax(output.logits.to(at::kFloat), -1);
  std::vector<Detections> found;
  std::vector<at::Tensor> final_boxes;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    const std::int64_t n = proposals[i].size(0);
    found.push_back(choose_detections(boxes.narrow(0, begin, n), scores.narrow(0, begin, n), input.sizes[i]));
    final_boxes.push_back(found.back().boxes);
    begin += n;
  }
  const at::Tensor features = with_features ? box_features(levels, final_boxes).to(at::kFloat) : at::Tensor();
  begin = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (with_features) found[i].features = features.narrow(0, begin, found[i].boxes.size(0));
    begin += found[i].boxes.size(0);
    found[i].boxes = resize_boxes(found[i].boxes, input.sizes[i], input.original[i]);
  }
  return found;
}

const BoxCoder& FasterRCNNImpl::proposal_coder() {
  static const BoxCoder coder;
  return coder;
}

const std::vector<double>& FasterRCNNImpl::anchor_ratios() {
  static const std::vector<double> ratios{0.5, 1.0, 2.0};
  return ratios;
}

const BoxCoder& FasterRCNNImpl::detection_coder() {
  static const BoxCoder coder{.weights = {10, 10, 5, 5}};
  return coder;
}

StateDict with_current_names(StateDict state) {
  for (auto& entry : state.entries) {
    std::string& name = entry.name;
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) continue;
    const std::string stem = name.substr(0, dot);
    if (stem == "rpn.head.conv") name = "rpn.head.conv.0.0" + name.substr(dot);
    for (const char* blocks : {"backbone.fpn.inner_blocks.", "backbone.fpn.layer_blocks."}) {
      if (stem.starts_with(blocks) && stem.find('.', std::string_view(blocks).size()) == std::string::npos)
        name = stem + ".0" + name.substr(dot);
    }
  }
  return state;
}

}  // namespace emotion
