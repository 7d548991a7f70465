#include <regex>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/model/load_state.h"
#include "emotion/stimuli/bottom_up.h"

namespace emotion {
namespace {

/// Names of detectron2 -> ours, as text.
std::string renamed(const std::string& name) {
  static const std::vector<std::pair<std::regex, std::string>> rules{
      {std::regex(R"(backbone\.stem\.conv1\.weight)"), "backbone.conv1.weight"},
      {std::regex(R"(backbone\.stem\.conv1\.norm\.(.+))"), "backbone.bn1.$1"},
      {std::regex(R"(backbone\.res2\.(.+))"), "backbone.layer1.$1"},
      {std::regex(R"(backbone\.res3\.(.+))"), "backbone.layer2.$1"},
      {std::regex(R"(backbone\.res4\.(.+))"), "backbone.layer3.$1"},
      {std::regex(R"(roi_heads\.res5\.(.+))"), "roi_heads.layer4.$1"},
      {std::regex(R"(proposal_generator\.rpn_head\.conv\.(.+))"), "rpn.conv.$1"},
      {std::regex(R"(proposal_generator\.rpn_head\.objectness_logits\.(.+))"), "rpn.objectness.$1"},
      {std::regex(R"(proposal_generator\.rpn_head\.anchor_deltas\.(.+))"), "rpn.offsets.$1"},
      {std::regex(R"(roi_heads\.box_predictor\.cls_score\.(.+))"), "roi_heads.cls_score.$1"},
      {std::regex(R"(roi_heads\.box_predictor\.(cls_embedding|cls_embed)\.weight)"), "attributes.embedding.weight"},
      {std::regex(R"(roi_heads\.box_predictor\.(fc_attr|attr_linear1)\.(.+))"), "attributes.hidden.$2"},
      {std::regex(R"(roi_heads\.box_predictor\.(attr_score|attr_linear2)\.(.+))"), "attributes.score.$2"}};
  for (const auto& [pattern, format] : rules) {
    if (!std::regex_match(name, pattern)) continue;
    std::string made = std::regex_replace(name, pattern, format);
    static const std::regex shortcut_norm(R"(\.shortcut\.norm\.)"), shortcut(R"(\.shortcut\.)"), norm(R"(\.conv(\d)\.norm\.)");
    made = std::regex_replace(made, shortcut_norm, ".downsample.1.");
    made = std::regex_replace(made, shortcut, ".downsample.0.");
    return std::regex_replace(made, norm, ".bn$1.");
  }
  return {};
}

/// The last row becomes the first.
at::Tensor last_first(const at::Tensor& rows) { return at::roll(rows, 1, 0); }

/// width: of the 1x1 that a block begins with
int blocks_of(const StateDict& state, const std::string& layer, std::int64_t width, const std::string& where) {
  for (int blocks = 0;; ++blocks) {
    const std::string name = fmt::format("{}.{}.conv1.weight", layer, blocks);
    if (!state.find(name)) return blocks;
    size_weight(state, name, {width, blocks == 0 ? -1 : 4 * width, 1, 1}, where);
  }
}

}  // namespace

bool is_bottom_up(const StateDict& state) {
  return state.find("roi_heads.res5.0.conv1.weight") && state.find("proposal_generator.rpn_head.conv.weight");
}

StateDict import_bottom_up(const StateDict& state, const std::string& where) {
  const at::Tensor* scores = state.find("roi_heads.box_predictor.cls_score.weight");
  const at::Tensor* boxes = state.find("roi_heads.box_predictor.bbox_pred.weight");
  if (!scores || !boxes || scores->dim() != 2 || boxes->dim() != 2)
    throw WeightsError(where + ": roi_heads.box_predictor.cls_score and bbox_pred are missing");
  // Box regression of K classes: "none" comes last among the scores (detectron2); of K + 1: first (Caffe).
  const bool none_last = boxes->size(0) == 4 * (scores->size(0) - 1);
  const at::Tensor* deltas = state.find("proposal_generator.rpn_head.anchor_deltas.weight");
  if (!deltas || deltas->dim() < 1)
    throw WeightsError(where + ": proposal_generator.rpn_head.anchor_deltas.weight is missing or misshapen");
  const std::int64_t anchors = deltas->size(0) / 4;
  StateDict made;
  for (const auto& [name, tensor] : state.entries) {
    const std::string own = renamed(name);
    if (own.empty()) continue;
    const bool scores_of_anchors = own.starts_with("rpn.objectness.");
    const bool listed =
        own.starts_with("roi_heads.cls_score.") || own.starts_with("attributes.score.") || own == "attributes.embedding.weight";
    if ((scores_of_anchors || listed) && tensor.dim() < 1)
      throw WeightsError(fmt::format("{}: {} is a single number", where, name));
    at::Tensor value = tensor;
    // Background of every anchor, then objects: the softmax of two is a sigmoid of their difference.
    if (scores_of_anchors && value.size(0) == 2 * anchors)
      value = value.narrow(0, anchors, anchors) - value.narrow(0, 0, anchors);
    made.add(own, none_last && listed ? last_first(value) : value);
  }
  made.metadata = state.metadata;
  return made;
}

BottomUpOptions bottom_up_options(const StateDict& state, const std::string& where) {
  BottomUpOptions options;
  const auto weight = [&](const char* name, at::IntArrayRef shape) { return size_weight(state, name, shape, where); };
  const auto blocks = [&](const char* layer, std::int64_t width) { return blocks_of(state, layer, width, where); };
  options.blocks = {blocks("backbone.layer1", 64), blocks("backbone.layer2", 128), blocks("backbone.layer3", 256),
                    blocks("roi_heads.layer4", 512)};
  options.classes = weight("roi_heads.cls_score.weight", {-1, 2048}).size(0) - 1;
  options.attributes = 0;
  if (state.find("attributes.score.weight")) {
    options.embedding = weight("attributes.embedding.weight", {options.classes + 1, -1}).size(1);
    options.hidden = weight("attributes.hidden.weight", {-1, 2048 + options.embedding}).size(0);
    options.attributes = weight("attributes.score.weight", {-1, options.hidden}).size(0) - 1;
  }
  return options;
}

}  // namespace emotion
