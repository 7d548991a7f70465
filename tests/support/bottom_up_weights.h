#pragma once

#include <regex>
#include <string>

#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/zeros.h>

#include "emotion/io/weights.h"

namespace emotion {

/// Weights of a BottomUp as a public conversion to detectron2 has them: "none" last (airsplay), or first with two objectness
/// numbers an anchor (MILVLG).
inline StateDict detectron_weights(const StateDict& own, bool airsplay) {
  const std::string predictor = "roi_heads.box_predictor.";
  const std::vector<std::pair<std::string, std::string>> names{
      {R"(^backbone\.conv1\.)", "backbone.stem.conv1."},
      {R"(^backbone\.bn1\.)", "backbone.stem.conv1.norm."},
      {R"(^backbone\.layer1\.)", "backbone.res2."},
      {R"(^backbone\.layer2\.)", "backbone.res3."},
      {R"(^backbone\.layer3\.)", "backbone.res4."},
      {R"(^roi_heads\.layer4\.)", "roi_heads.res5."},
      {R"(\.downsample\.0\.)", ".shortcut."},
      {R"(\.downsample\.1\.)", ".shortcut.norm."},
      {R"(\.bn([123])\.)", ".conv$1.norm."},
      {R"(^rpn\.conv\.)", "proposal_generator.rpn_head.conv."},
      {R"(^rpn\.objectness\.)", "proposal_generator.rpn_head.objectness_logits."},
      {R"(^rpn\.offsets\.)", "proposal_generator.rpn_head.anchor_deltas."},
      {R"(^roi_heads\.cls_score\.)", predictor + "cls_score."},
      {R"(^attributes\.embedding\.)", predictor + (airsplay ? "cls_embedding." : "cls_embed.")},
      {R"(^attributes\.hidden\.)", predictor + (airsplay ? "fc_attr." : "attr_linear1.")},
      {R"(^attributes\.score\.)", predictor + (airsplay ? "attr_score." : "attr_linear2.")}};
  StateDict foreign;
  std::int64_t classes = 0;
  for (const auto& [name, tensor] : own.entries) {
    if (name.ends_with("num_batches_tracked")) continue;
    std::string theirs = name;
    for (const auto& [pattern, text] : names) theirs = std::regex_replace(theirs, std::regex(pattern), text);
    at::Tensor value = tensor.detach();
    const bool listed = name.find("cls_score") != std::string::npos || name.starts_with("attributes.score") ||
                        name.starts_with("attributes.embedding");
    if (airsplay && listed) value = at::roll(value, -1, 0);
    if (!airsplay && name.starts_with("rpn.objectness.")) value = at::cat({at::ones_like(value), value + 1});
    if (name == "roi_heads.cls_score.bias") classes = value.size(0) - 1;
    foreign.add(theirs, value);
  }
  foreign.add(predictor + "bbox_pred.weight", at::zeros({4 * (airsplay ? classes : classes + 1), 2048}));
  foreign.add("proposal_generator.anchor_generator.cell_anchors.0", at::zeros({12, 4}));
  return foreign;
}

}  // namespace emotion
