#include "emotion/loss/detection_loss.h"

#include <algorithm>

namespace emotion {
namespace {

constexpr double kBeta = 1.0 / 9;  // smooth L1: quadratic below
constexpr std::int64_t kBelow = -1, kBetween = -2;

at::Tensor smooth_l1_sum(const at::Tensor& a, const at::Tensor& b) { return at::smooth_l1_loss(a, b, at::Reduction::Sum, kBeta); }

/// Numbers of the chosen ones of `rows`, `count` of them drawn at random.
void draw(std::vector<std::int64_t>& rows, std::int64_t count, Random& random) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) std::swap(rows[i], rows[i + random.below(rows.size() - i)]);
  rows.resize(static_cast<std::size_t>(count));
}

struct Matched {
  at::Tensor labels;  // int64 [N]
  at::Tensor boxes;   // float [N, 4]: of the truth each belongs to
};

/// Anchors: 1 an object, 0 background, -1 neither. Proposals: class + 1, or 0.
Matched assign(const at::Tensor& candidates, const DetectionTarget& target, double high, double low, bool anchors) {
  if (target.boxes.size(0) == 0 || candidates.size(0) == 0)
    return {at::zeros({candidates.size(0)}, candidates.options().dtype(at::kLong)), at::zeros_like(candidates)};
  const at::Tensor match = match_boxes(box_iou(target.boxes, candidates), high, low, anchors);
  const at::Tensor place = match.clamp_min(0);
  at::Tensor labels = anchors ? at::ones_like(match) : target.labels.index_select(0, place) + 1;
  labels = labels.masked_fill(match.eq(kBelow), 0).masked_fill(match.eq(kBetween), -1);
  return {labels, target.boxes.index_select(0, place)};
}

void proposal_losses(const ProposalOutput& output, const std::vector<DetectionTarget>& targets,
                     const DetectionLossOptions& options, std::span<Random> draws, DetectionLoss& loss) {
  std::vector<at::Tensor> rows, labels, boxes;
  const std::int64_t anchors = output.anchors.size(0);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Matched matched = assign(output.anchors, targets[i], options.proposal_high, options.proposal_low, true);
    const at::Tensor row = sample_candidates(matched.labels, options.proposal_samples, options.proposal_positives, draws[i]);
    rows.push_back(row + static_cast<std::int64_t>(i) * anchors);
    labels.push_back(matched.labels.index_select(0, row));
    boxes.push_back(matched.boxes.index_select(0, row));
  }
  const at::Tensor row = at::cat(rows), label = at::cat(labels);
  const at::Tensor objects = at::nonzero(label.gt(0)).flatten(), object_rows = row.index_select(0, objects);
  const at::Tensor wanted = FasterRCNNImpl::proposal_coder().encode(
      at::cat(boxes).index_select(0, objects), output.anchors.index_select(0, at::remainder(object_rows, anchors)));
  const at::Tensor offsets = output.offsets.reshape({-1, 4}).index_select(0, object_rows).to(at::kFloat);
  const at::Tensor logits = output.objectness.reshape({-1}).index_select(0, row).to(at::kFloat);
  const auto count = static_cast<double>(std::max<std::int64_t>(row.size(0), 1));
  loss.proposal_box = smooth_l1_sum(offsets, wanted) / count;
  loss.objectness = at::binary_cross_entropy_with_logits(logits, label.to(at::kFloat), {}, {}, at::Reduction::Sum) / count;
}

struct Chosen {
  std::vector<at::Tensor> boxes;  // of each picture
  at::Tensor labels, offsets;     // of all of them
};

/// Proposals and truths that go through the box head.
Chosen choose(std::vector<at::Tensor> proposals, const std::vector<DetectionTarget>& targets, const DetectionLossOptions& options,
              std::span<Random> draws) {
  Chosen chosen;
  std::vector<at::Tensor> labels, offsets;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const at::Tensor all = at::cat({proposals[i], targets[i].boxes.to(proposals[i].scalar_type())});
    const Matched matched = assign(all, targets[i], options.box_overlap, options.box_overlap, false);
    const at::Tensor row = sample_candidates(matched.labels, options.box_samples, options.box_positives, draws[i]);
    chosen.boxes.push_back(all.index_select(0, row));
    labels.push_back(matched.labels.index_select(0, row));
    offsets.push_back(FasterRCNNImpl::detection_coder().encode(matched.boxes.index_select(0, row), chosen.boxes.back()));
  }
  chosen.labels = at::cat(labels);
  chosen.offsets = at::cat(offsets);
  return chosen;
}

void box_losses(const BoxOutput& output, const Chosen& chosen, DetectionLoss& loss) {
  const at::Tensor logits = output.logits.to(at::kFloat);
  const auto count = static_cast<double>(std::max<std::int64_t>(chosen.labels.size(0), 1));
  loss.classification = at::nll_loss(at::log_softmax(logits, 1), chosen.labels, {}, at::Reduction::Sum) / count;
  const at::Tensor objects = at::nonzero(chosen.labels.gt(0)).flatten();
  const at::Tensor of_class = output.offsets.view({output.offsets.size(0), -1, 4})
                                  .index({objects, chosen.labels.index_select(0, objects)})
                                  .to(at::kFloat);
  loss.box = smooth_l1_sum(of_class, chosen.offsets.index_select(0, objects)) / count;
}

}  // namespace

at::Tensor match_boxes(const at::Tensor& overlaps, double high, double low, bool keep_best) {
  const auto [values, best] = overlaps.max(0);
  at::Tensor match = best.masked_fill(values.lt(low), kBelow);
  match = match.masked_fill(values.ge(low).logical_and(values.lt(high)), kBetween);
  if (!keep_best) return match;
  const at::Tensor most = std::get<0>(overlaps.max(1, /*keepdim=*/true));
  return at::where(overlaps.eq(most).any(0), best, match);
}

at::Tensor sample_candidates(const at::Tensor& labels, std::int64_t samples, double positives, Random& random) {
  const at::Tensor on_cpu = labels.cpu();
  const std::int64_t* label = on_cpu.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> objects, background;
  for (std::int64_t i = 0; i < on_cpu.size(0); ++i) {
    if (label[i] > 0) objects.push_back(i);
    if (label[i] == 0) background.push_back(i);
  }
  const auto most = static_cast<std::int64_t>(static_cast<double>(samples) * positives);
  const std::int64_t chosen = std::min<std::int64_t>(static_cast<std::int64_t>(objects.size()), most);
  draw(objects, chosen, random);
  draw(background, std::min<std::int64_t>(static_cast<std::int64_t>(background.size()), samples - chosen), random);
  objects.insert(objects.end(), background.begin(), background.end());
  std::sort(objects.begin(), objects.end());
  return at::tensor(objects, at::kLong).to(labels.device());
}

DetectionLoss detection_loss(FasterRCNNImpl& network, const DetectorInput& input, const std::vector<DetectionTarget>& targets,
                             const DetectionLossOptions& options, std::span<Random> draws) {
  DetectionLoss loss;
  const std::vector<at::Tensor> levels = network.pyramid(input.images);
  const ProposalOutput output = network.propose(levels, input.images);
  proposal_losses(output, targets, options, draws, loss);
  const Chosen chosen = choose(network.choose_proposals(output, input.sizes), targets, options, draws);
  box_losses(network.classify(network.box_features(levels, chosen.boxes)), chosen, loss);
  loss.total = loss.classification + loss.box + loss.objectness + loss.proposal_box;
  return loss;
}

}  // namespace emotion
