// The two detectors as ONNX graphs; each function follows the one of its name in faster_rcnn.cpp, bottom_up.cpp or boxes.cpp.
#include "emotion/stimuli/detector_onnx.h"

#include <array>
#include <cmath>
#include <initializer_list>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/model/load_state.h"
#include "emotion/model/onnx_builder.h"
#include "emotion/stimuli/anchors.h"
#include "emotion/stimuli/bottom_up.h"

namespace emotion {
namespace {

using Value = OnnxGraph::Value;
using Attribute = OnnxGraph::Attribute;

constexpr std::int64_t kFloatType = 1, kLongType = 7;  // TensorProto.DataType

/// Regions of several pictures in one list.
struct Regions {
  Value boxes;     ///< float [n, 4]
  Value pictures;  ///< int64 [n]
};

/// What both detectors compute with boxes, and names for operators that take their parameters as tensors.
class BoxGraph {
 public:
  explicit BoxGraph(const StateDict& state) : b(state), g(b.graph) {}

  OnnxBuilder b;
  OnnxGraph& g;

  Value add(const Value& x, const Value& y) { return g.node("Add", {x, y}); }
  Value subtract(const Value& x, const Value& y) { return g.node("Sub", {x, y}); }
  Value multiply(const Value& x, const Value& y) { return g.node("Mul", {x, y}); }
  Value divide(const Value& x, const Value& y) { return g.node("Div", {x, y}); }
  Value cast(const Value& x, std::int64_t type) { return g.node("Cast", {x}, {Attribute::integer("to", type)}); }
  Value concat(const std::vector<Value>& parts, std::int64_t axis) {
    return g.node("Concat", parts, {Attribute::integer("axis", axis)});
  }
  Value reshape(const Value& x, const std::vector<std::int64_t>& shape) { return g.node("Reshape", {x, g.integers(shape)}); }
  Value transpose(const Value& x, std::vector<std::int64_t> order) {
    return g.node("Transpose", {x}, {Attribute::list("perm", std::move(order))});
  }
  Value unsqueeze(const Value& x, std::int64_t axis) { return g.node("Unsqueeze", {x, g.integers({axis})}); }
  /// int64 [1]
  Value length(const Value& x, std::int64_t axis) {
    return g.node("Gather", {g.node("Shape", {x}), g.integers({axis})}, {Attribute::integer("axis", 0)});
  }
  Value take(const Value& x, const Value& rows, std::int64_t axis = 0) {
    return g.node("Gather", {x, rows}, {Attribute::integer("axis", axis)});
  }
  /// One place of an axis, which goes.
  Value select(const Value& x, std::int64_t axis, std::int64_t place) { return take(x, g.integer(place), axis); }
  /// begin .. end of an axis
  Value slice(const Value& x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
    return g.node("Slice", {x, g.integers({begin}), g.integers({end}), g.integers({axis})});
  }
  /// 0, 1, .. count - 1: int64 [count]; count int64 [1]
  Value range(const Value& count) { return g.node("Range", {g.integer(0), g.node("Squeeze", {count}), g.integer(1)}); }
  Value numbers(const std::string& name, const std::vector<float>& values) { return g.constant(name, at::tensor(values)); }
  /// The `count` (int64 [1]) largest along an axis, largest first, of equal ones the first: values and int64 places.
  std::vector<Value> largest(const Value& x, const Value& count, std::int64_t axis) {
    return g.nodes("TopK", {x, count}, {Attribute::integer("axis", axis)}, 2);
  }
  /// int64 [n]: the places of true in a bool [n]
  Value places(const Value& mask) { return select(g.node("NonZero", {mask}), 0, 0); }

  /// BoxCoder::decode: offsets and references [.., 4] -> boxes [.., 4]
  Value decode(const Value& offsets, const Value& references, const BoxCoder& coder) {
    const auto& w = coder.weights;
    const Value side = b.number(coder.side), half = b.number(0.5);
    const Value first = slice(references, -1, 0, 2), last = slice(references, -1, 2, 4);
    const Value sides = add(subtract(last, first), side);
    const Value centre = add(first, multiply(half, sides));
    const auto part = [&](std::int64_t begin, double x, double y) {
      return divide(slice(offsets, -1, begin, begin + 2),
                    numbers(fmt::format("weights_{}_{}", x, y), {static_cast<float>(x), static_cast<float>(y)}));
    };
    const Value moved = add(multiply(part(0, w[0], w[1]), sides), centre);
    const Value growth = g.node("Exp", {g.node("Min", {part(2, w[2], w[3]), b.number(std::log(1000.0 / 16))})});
    const Value reach = multiply(half, multiply(growth, sides));
    return concat({subtract(moved, reach), add(moved, reach)}, -1);
  }
  /// clip_boxes: `limits` float [.., 4], the largest x, y, x, y
  Value clip(const Value& boxes, const Value& limits) { return g.node("Min", {g.node("Max", {boxes, b.number(0)}), limits}); }
  /// float [batch, 4]: width, height, width, height of sizes int64 [batch, 2], less `margin`
  Value limits(const Value& sizes, double margin) {
    return subtract(cast(take(sizes, g.integers({1, 0, 1, 0}), 1), kFloatType), b.number(margin));
  }
  /// large_boxes as bool [..]; least: float [1]
  Value large(const Value& boxes, const Value& least) {
    const Value shorter = g.node("ReduceMin", {subtract(slice(boxes, -1, 2, 4), slice(boxes, -1, 0, 2))},
                                 {Attribute::list("axes", {-1}), Attribute::integer("keepdims", 0)});
    return g.node("GreaterOrEqual", {shorter, least});
  }
  /// scores where the mask is true, else -1: below every threshold
  Value only(const Value& mask, const Value& scores) { return g.node("Where", {mask, scores, b.number(-1)}); }
  /// boxes [groups, n, 4], scores [groups, kinds, n] -> int64 [m, 3]: group, kind, box of those that stay
  Value suppress(const Value& boxes, const Value& scores, std::int64_t most, double threshold, double least) {
    return g.node("NonMaxSuppression", {boxes, scores, g.integers({most}), b.number(threshold), b.number(least)});
  }
  /// Of scores [m] of pictures int64 [m], the `most` best of each picture: {places int64 [k], pictures int64 [k]}, picture by
  /// picture, best first.
  std::pair<Value, Value> best_of_each(const Value& scores, const Value& pictures, std::int64_t most, const Value& batch) {
    const Value order = largest(scores, length(scores, 0), 0)[1];
    const Value own = g.node("Equal", {unsqueeze(range(batch), 1), unsqueeze(take(pictures, order), 0)});  // [batch, m]
    const Value rank = g.node("CumSum", {cast(own, kFloatType), g.integer(1)});
    const Value kept = g.node("And", {own, g.node("LessOrEqual", {rank, b.number(static_cast<double>(most))})});
    const Value found = g.node("NonZero", {kept});  // row by row: [2, k]
    return {take(order, select(found, 0, 1)), select(found, 0, 0)};
  }
  /// [h w A, 4]: the cell's anchors on the grid of a map, `stride` int64 [1] pixels apart in each direction
  Value anchors(const std::string& name, const at::Tensor& cell, const Value& map, const Value& stride_y, const Value& stride_x) {
    const auto axis = [&](std::int64_t of, const Value& stride, std::vector<std::int64_t> shape) {
      return reshape(cast(multiply(range(length(map, of)), stride), kFloatType), shape);
    };
    const Value x = multiply(axis(3, stride_x, {1, -1, 1, 1}), numbers("along_x", {1, 0, 1, 0}));
    const Value y = multiply(axis(2, stride_y, {-1, 1, 1, 1}), numbers("along_y", {0, 1, 0, 1}));
    return reshape(add(add(x, y), g.constant(name, cell.unsqueeze(0).unsqueeze(0))), {-1, 4});
  }
  /// [batch, A C, h, w] -> [batch, h w A, C]; C = 1: [batch, h w A]
  Value by_anchor(const Value& map, std::int64_t numbers_each) {
    const Value last = transpose(map, {0, 2, 3, 1});
    return numbers_each == 1 ? reshape(last, {0, -1}) : reshape(last, {0, -1, numbers_each});
  }
};

// Faster R-CNN

class FasterRCNNGraph : public BoxGraph {
 public:
  FasterRCNNGraph(const StateDict& state, const FasterRCNNOptions& options) : BoxGraph(state), options_(options) {}

  void build() {
    const Value images = g.input("images", at::kFloat, {"batch", 3, "height", "width"});
    const Value sizes = g.input("sizes", at::kLong, {"batch", 2});
    batch_ = length(images, 0);
    limits_ = limits(sizes, 0);
    pyramid(images);
    const Regions proposals = propose(images);
    const Value features = box_features(proposals);
    const Value found = choose_detections(proposals, features);
    g.output("features", found, {"regions", b.tensor("roi_heads.box_head.fc7.weight").size(0)});
  }

 private:
  void pyramid(const Value& images) {
    b.norm_epsilon = options_.norm_eps;
    const std::vector<Value> maps = b.resnet_stages(images, "backbone.body.");
    levels_.resize(maps.size());
    Value coarser;
    for (std::size_t i = maps.size(); i-- > 0;) {
      Value level = b.convolution(maps[i], fmt::format("backbone.fpn.inner_blocks.{}.0", i), 1, 0);
      // Nearest pixel, twice as large.
      if (!coarser.empty()) level = add(level, g.node("Resize", {coarser, "", numbers("twice", {1, 1, 2, 2})}));
      levels_[i] = b.convolution(level, fmt::format("backbone.fpn.layer_blocks.{}.0", i), 1, 1);
      coarser = level;
    }
    levels_.push_back(b.max_pool(levels_.back(), 1, 2, 0));
  }

  Regions propose(const Value& images) {
    std::vector<Value> all_boxes, all_scores, all_levels;
    const Value most = g.integers({options_.proposals}), limits = unsqueeze(limits_, 1);
    double size = options_.anchor_size;
    for (std::size_t i = 0; i < levels_.size(); ++i, size *= 2) {
      const Value x = b.relu(b.convolution(levels_[i], "rpn.head.conv.0.0", 1, 1));
      const Value objectness = by_anchor(b.convolution(x, "rpn.head.cls_logits", 1, 0), 1);
      const Value offsets = by_anchor(b.convolution(x, "rpn.head.bbox_pred", 1, 0), 4);
      const Value anchor = anchors(fmt::format("cell_{}", i), cell_anchors({size}, FasterRCNNImpl::anchor_ratios()), x,
                                   divide(length(images, 2), length(x, 2)), divide(length(images, 3), length(x, 3)));
      const Value count = g.node("Min", {most, length(objectness, 1)});
      const auto best = largest(objectness, count, 1);  // [batch, count]
      const Value place = g.node("Expand", {unsqueeze(best[1], 2), g.integers({1, 1, 4})});
      const Value chosen = g.node("GatherElements", {offsets, place}, {Attribute::integer("axis", 1)});
      const Value boxes = clip(decode(chosen, take(anchor, best[1]), FasterRCNNImpl::proposal_coder()), limits);
      all_boxes.push_back(boxes);
      all_scores.push_back(only(large(boxes, b.number(FasterRCNNImpl::kLeastProposal)), g.node("Sigmoid", {best[0]})));
      all_levels.push_back(g.node("Expand", {g.integers({static_cast<std::int64_t>(i)}), count}));
    }
    const Value boxes = concat(all_boxes, 1), scores = concat(all_scores, 1);  // [batch, n, 4], [batch, n]
    // Levels suppress each on its own: they are the kinds of one picture, and a box has a score for its level alone.
    const Value levels = g.constant("levels", at::arange(static_cast<std::int64_t>(levels_.size()), at::kLong).unsqueeze(1));
    const Value own = g.node("Equal", {levels, unsqueeze(concat(all_levels, 0), 0)});  // [levels, n]
    const Value kept =
        suppress(boxes, only(unsqueeze(own, 0), unsqueeze(scores, 1)), options_.proposals, options_.proposal_nms, -0.5);
    const Value where = take(kept, g.integers({0, 2}), 1);  // picture and box
    const auto [rows, pictures] =
        best_of_each(g.node("GatherND", {scores, where}), select(kept, 1, 0), options_.proposals, batch_);
    return {g.node("GatherND", {boxes, take(where, rows)}), pictures};
  }

  /// pyramid_level: int64 [n], from 0
  Value level_of(const Value& boxes) {
    const Value sides = subtract(slice(boxes, 1, 2, 4), slice(boxes, 1, 0, 2));
    const Value area = multiply(select(sides, 1, 0), select(sides, 1, 1));
    const Value size = divide(g.node("Sqrt", {area}), b.number(224));
    const Value log2 = divide(g.node("Log", {size}), b.number(std::log(2.0)));
    const Value level = g.node("Floor", {add(add(log2, b.number(4)), b.number(1e-6))});
    const Value held = g.node("Min", {g.node("Max", {level, b.number(kFirstLevel)}), b.number(kFirstLevel + kPooledLevels - 1)});
    return cast(subtract(held, b.number(kFirstLevel)), kLongType);
  }

  /// pyramid_roi_align() and the two layers of the box head: [n, F]
  Value box_features(const Regions& regions) {
    const Value level = level_of(regions.boxes);
    std::vector<Value> parts, rows;
    for (std::int64_t i = 0; i < kPooledLevels; ++i) {
      rows.push_back(places(g.node("Equal", {level, g.integers({i})})));
      parts.push_back(g.node(
          "RoiAlign",
          {levels_[static_cast<std::size_t>(i)], take(regions.boxes, rows.back()), take(regions.pictures, rows.back())},
          {Attribute::integer("output_height", 7), Attribute::integer("output_width", 7), Attribute::integer("sampling_ratio", 2),
           Attribute::number("spatial_scale", std::ldexp(0.25, -static_cast<int>(i))), Attribute::text("mode", "avg"),
           Attribute::text("coordinate_transformation_mode", "output_half_pixel")}));
    }
    const Value pooled = g.node("Flatten", {concat(parts, 0)}, {Attribute::integer("axis", 1)});
    const Value features = b.relu(b.linear(b.relu(b.linear(pooled, "roi_heads.box_head.fc6")), "roi_heads.box_head.fc7"));
    const Value order = concat(rows, 0);  // where each stood in the list
    const Value back =
        g.nodes("TopK", {order, length(order, 0)}, {Attribute::integer("axis", 0), Attribute::integer("largest", 0)}, 2)[1];
    return take(features, back);
  }

  /// Makes all outputs but the features, which it returns.
  Value choose_detections(const Regions& proposals, const Value& features) {
    const std::int64_t kinds = options_.classes + 1;
    const Value probabilities =
        g.node("Softmax", {b.linear(features, "roi_heads.box_predictor.cls_score")}, {Attribute::integer("axis", 1)});
    const Value offsets = reshape(b.linear(features, "roi_heads.box_predictor.bbox_pred"), {-1, kinds, 4});
    const Value decoded = decode(offsets, unsqueeze(proposals.boxes, 1), FasterRCNNImpl::detection_coder());
    const Value clipped = clip(decoded, unsqueeze(take(limits_, proposals.pictures), 1));
    const Value boxes = transpose(slice(clipped, 1, 1, kinds), {1, 0, 2});      // [K, n, 4]
    const Value scores = transpose(slice(probabilities, 1, 1, kinds), {1, 0});  // [K, n]
    const Value fit = only(large(boxes, b.number(FasterRCNNImpl::kLeastDetection)), scores);
    // Each class has boxes of its own, so classes are the groups here and pictures the kinds.
    const Value own = g.node("Equal", {unsqueeze(range(batch_), 1), unsqueeze(proposals.pictures, 0)});  // [batch, n]
    const Value kept = suppress(boxes, only(unsqueeze(own, 0), unsqueeze(fit, 1)), options_.detections, options_.nms_threshold,
                                options_.score_threshold);
    const Value where = take(kept, g.integers({0, 2}), 1);  // class and region
    const auto [rows, pictures] =
        best_of_each(g.node("GatherND", {scores, where}), select(kept, 1, 1), options_.detections, batch_);
    const Value chosen = take(where, rows);
    const Regions found{g.node("GatherND", {boxes, chosen}), pictures};
    g.output("boxes", found.boxes, {"regions", 4});
    g.output("scores", g.node("GatherND", {scores, chosen}), {"regions"});
    g.output("labels", select(chosen, 1, 0), {"regions"}, at::kLong);
    g.output("pictures", pictures, {"regions"}, at::kLong);
    return box_features(found);
  }

  static constexpr std::int64_t kFirstLevel = 2, kPooledLevels = 4;  // P2 .. P5 are pooled from, P6 is not

  const FasterRCNNOptions& options_;
  Value batch_, limits_;
  std::vector<Value> levels_;  // P2 .. P6
};

// Bottom-up attention

class BottomUpGraph : public BoxGraph {
 public:
  BottomUpGraph(const StateDict& state, const BottomUpOptions& options) : BoxGraph(state), options_(options) {}

  void build() {
    const Value images = g.input("images", at::kFloat, {1, 3, "height", "width"});
    const Value scale = g.input("scale", at::kFloat, {1});
    const Value x = b.relu(b.norm(b.convolution(images, "backbone.conv1", 2, 3), "backbone.bn1"));
    Value map = b.max_pool(x, 3, 2, 0, /*ceil=*/true);
    for (int layer = 1; layer <= 3; ++layer)
      map = b.residual_layer(map, fmt::format("backbone.layer{}", layer), layer > 1 ? 2 : 1, /*caffe=*/true);
    const Value sizes = unsqueeze(slice(g.node("Shape", {images}), 0, 2, 4), 0);
    const Value boxes = propose(map, limits(sizes, BottomUpImpl::kPixel), scale);
    choose(boxes, region_features(map, boxes), scale);
  }

 private:
  /// Boxes as NonMaxSuppression wants them: x2 and y2 behind the last pixel. [1, n, 4]
  Value whole_pixels(const Value& boxes) {
    const auto pixel = static_cast<float>(BottomUpImpl::kPixel);
    return unsqueeze(add(boxes, numbers("last_pixel", {0, 0, pixel, pixel})), 0);
  }

  Value propose(const Value& map, const Value& limits, const Value& scale) {
    const Value x = b.relu(b.convolution(map, "rpn.conv", 1, 1));
    const Value scores = reshape(by_anchor(b.convolution(x, "rpn.objectness", 1, 0), 1), {-1});
    const Value offsets = reshape(by_anchor(b.convolution(x, "rpn.offsets", 1, 0), 4), {-1, 4});
    const Value stride = g.integers({BottomUpImpl::kStride});
    const Value all =
        clip(decode(offsets, anchors("cell", BottomUpImpl::cell_anchors(), map, stride, stride), {.side = BottomUpImpl::kPixel}),
             limits);
    const Value least = subtract(multiply(scale, b.number(options_.proposal_side)), b.number(BottomUpImpl::kPixel));
    const Value fit = places(large(all, least));
    const Value own = take(scores, fit);
    const Value count = g.node("Min", {g.integers({options_.candidates}), length(own, 0)});
    const Value boxes = take(take(all, fit), largest(own, count, 0)[1]);
    // Ranks for scores: logits have any sign, and a sigmoid would make equal ones of the largest.
    const Value ranks = cast(subtract(count, range(count)), kFloatType);
    const Value kept =
        suppress(whole_pixels(boxes), unsqueeze(unsqueeze(ranks, 0), 0), options_.proposals, options_.proposal_nms, 0);
    return take(boxes, select(kept, 1, 2));
  }

  /// [n, 2048]
  Value region_features(const Value& map, const Value& boxes) {
    const Value picture = multiply(slice(boxes, 1, 0, 1), b.number(0));
    const Value pooled = g.node("MaxRoiPool", {map, concat({picture, boxes}, 1)},
                                {Attribute::list("pooled_shape", {BottomUpImpl::kBins, BottomUpImpl::kBins}),
                                 Attribute::number("spatial_scale", 1.0 / BottomUpImpl::kStride)});
    const Value last = b.residual_layer(pooled, "roi_heads.layer4", 1, /*caffe=*/true, /*dilation=*/2);
    return g.node("Flatten", {g.node("GlobalAveragePool", {last})}, {Attribute::integer("axis", 1)});
  }

  Value most_likely(const Value& scores) {
    return g.node("ArgMax", {scores}, {Attribute::integer("axis", 1), Attribute::integer("keepdims", 0)});
  }

  void choose(const Value& boxes, const Value& features, const Value& scale) {
    const std::int64_t classes = options_.classes;
    const Value scores = g.node("Softmax", {b.linear(features, "roi_heads.cls_score")}, {Attribute::integer("axis", 1)});
    const Value own = transpose(slice(scores, 1, 1, classes + 1), {1, 0});  // [classes, n]
    const Value kept = suppress(whole_pixels(divide(boxes, scale)), unsqueeze(own, 0), options_.proposals, options_.nms, -1);
    const Value where = slice(kept, 1, 1, 3);  // class and region
    const Value survived = g.node("ScatterND", {multiply(own, b.number(0)), where, g.node("GatherND", {own, where})});
    const Value best = g.node("ReduceMax", {survived}, {Attribute::list("axes", {0}), Attribute::integer("keepdims", 0)});  // [n]
    const Value sure = g.node("ReduceSum", {cast(g.node("GreaterOrEqual", {best, b.number(options_.least_score)}), kLongType)});
    const Value held = g.node("Min", {g.node("Max", {sure, g.integers({options_.least})}), g.integers({options_.most})});
    const auto chosen = largest(best, g.node("Min", {held, length(best, 0)}), 0);
    const Value rows = chosen[1], seen = take(features, rows), likely = take(scores, rows);
    g.output("boxes", take(boxes, rows), {"regions", 4});
    g.output("scores", chosen[0], {"regions"});
    g.output("labels", most_likely(slice(likely, 1, 1, classes + 1)), {"regions"}, at::kLong);
    g.output("features", seen, {"regions", b.tensor("roi_heads.cls_score.weight").size(1)});
    if (options_.attributes == 0) return;
    const Value named = take(b.weight("attributes.embedding.weight"), most_likely(likely));
    const Value hidden = b.relu(b.linear(concat({seen, named}, 1), "attributes.hidden"));
    g.output("attributes", most_likely(slice(b.linear(hidden, "attributes.score"), 1, 1, options_.attributes + 1)), {"regions"},
             at::kLong);
  }

  const BottomUpOptions& options_;
};

template <typename Graph, typename Network>
void write(const std::filesystem::path& file, const Network& network, const std::map<std::string, std::string>& metadata) {
  const StateDict state = module_state(network);
  Graph graph(state, network.options());
  graph.build();
  for (const auto& [key, value] : metadata) graph.g.metadata(key, value);
  graph.g.write(file);
}

}  // namespace

void write_onnx_detector(const std::filesystem::path& file, const RegionDetector& network,
                         const std::map<std::string, std::string>& metadata) {
  if (const auto* faster = dynamic_cast<const FasterRCNNImpl*>(&network)) return write<FasterRCNNGraph>(file, *faster, metadata);
  if (const auto* bottom_up = dynamic_cast<const BottomUpImpl*>(&network))
    return write<BottomUpGraph>(file, *bottom_up, metadata);
  throw WeightsError("ONNX: this kind of detector is not known");
}

}  // namespace emotion
