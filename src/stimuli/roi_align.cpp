#include "emotion/stimuli/roi_align.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include "roi_align_cpu.h"

namespace emotion {
namespace {

/// The CPU's loops as a node of the autograd graph.
class RoIAlign : public torch::autograd::Function<RoIAlign> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& map, const at::Tensor& boxes,
                            const RoIAlignOptions& options) {
    context->save_for_backward({boxes});
    context->saved_data["map"] = map.sizes().vec();
    context->saved_data["bins"] = std::vector<std::int64_t>{options.height, options.width, options.sampling, options.aligned};
    context->saved_data["scale"] = options.scale;
    return roi_align_forward(map, boxes, options);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto bins = context->saved_data["bins"].toIntVector();
    const RoIAlignOptions options{.height = bins[0],
                                  .width = bins[1],
                                  .scale = context->saved_data["scale"].toDouble(),
                                  .sampling = bins[2],
                                  .aligned = bins[3] != 0};
    const at::Tensor boxes = context->get_saved_variables()[0];
    return {roi_align_backward(gradients[0].contiguous(), boxes, context->saved_data["map"].toIntVector(), options), at::Tensor(),
            at::Tensor()};
  }
};

/// Of one axis: float [n, bins, S]: where samples lie (pixels of the map); S the most samples any box has, `valid` those it has.
struct Samples {
  at::Tensor at, valid, count;
};

Samples sample_axis(const at::Tensor& start, const at::Tensor& length, std::int64_t bins, std::int64_t sampling) {
  const at::Tensor bin = length / static_cast<double>(bins);
  at::Tensor count = sampling > 0 ? at::full_like(bin, static_cast<double>(sampling)) : bin.ceil().clamp(0, 16384);
  const std::int64_t most = sampling > 0 ? sampling : std::max<std::int64_t>(count.numel() ? count.max().item<double>() : 0, 1);
  const auto options = start.options();
  const at::Tensor s = at::arange(most, options).view({1, 1, -1}), b = at::arange(bins, options).view({1, -1, 1});
  const at::Tensor size = bin.view({-1, 1, 1}), n = count.view({-1, 1, 1});
  return {start.view({-1, 1, 1}) + b * size + (s + 0.5) * size / n.clamp_min(1), s.lt(n).expand({start.size(0), bins, most}),
          count};
}

/// Low pixel, high pixel and their weights for samples of an axis of `size` pixels.
struct Corners {
  at::Tensor low, high, low_weight, high_weight;
};

Corners corners(const Samples& samples, std::int64_t size) {
  const at::Tensor inside = samples.at.ge(-1).logical_and(samples.at.le(static_cast<double>(size))).logical_and(samples.valid);
  const at::Tensor at = samples.at.clamp(0, static_cast<double>(size - 1));
  const at::Tensor low = at.floor(), part = at - low;
  const at::Tensor weight = inside.to(at.scalar_type());
  return {low.to(at::kLong), (low + 1).clamp_max(static_cast<double>(size - 1)).to(at::kLong), weight * (1 - part),
          weight * part};
}

}  // namespace

at::Tensor roi_align(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& options) {
  TORCH_CHECK(map.dim() == 4 && boxes.dim() == 2 && boxes.size(1) == 5,
              "roi_align: map [N, C, H, W] and boxes [n, 5] are wanted");
  if (!map.device().is_cpu()) return roi_align_by_gather(map, boxes, options);
  const auto dtype = map.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return RoIAlign::apply(map.to(dtype).contiguous(at::MemoryFormat::ChannelsLast), boxes.detach().to(dtype).contiguous(),
                         options);
}

at::Tensor roi_align_by_gather(const at::Tensor& map, const at::Tensor& boxes, const RoIAlignOptions& o) {
  // Half the bits leave 4 pixels between the coordinates of a large picture.
  if (map.scalar_type() == at::kHalf || map.scalar_type() == at::kBFloat16)
    return roi_align_by_gather(map.to(at::kFloat), boxes, o);
  const std::int64_t channels = map.size(1), width = map.size(3), n = boxes.size(0);
  const at::Tensor b = boxes.detach().to(map.scalar_type());
  const double offset = o.aligned ? 0.5 : 0;
  const at::Tensor x = b.select(1, 1) * o.scale - offset, y = b.select(1, 2) * o.scale - offset;
  at::Tensor w = b.select(1, 3) * o.scale - offset - x, h = b.select(1, 4) * o.scale - offset - y;
  if (!o.aligned) {
    w = w.clamp_min(1);
    h = h.clamp_min(1);
  }
  const Samples rows = sample_axis(y, h, o.height, o.sampling), columns = sample_axis(x, w, o.width, o.sampling);
  const Corners row = corners(rows, map.size(2)), column = corners(columns, width);
  const at::Tensor pixels = map.permute({0, 2, 3, 1}).reshape({map.size(0), -1, channels});  // [N, H W, C]
  const at::Tensor image = b.select(1, 0).to(at::kLong).view({-1, 1, 1, 1, 1});
  at::Tensor sum = at::zeros({n, o.height, o.width, channels}, map.options());
  for (const auto& [y_pixel, y_weight] : {std::pair{row.low, row.low_weight}, std::pair{row.high, row.high_weight}}) {
    for (const auto& [x_pixel, x_weight] :
         {std::pair{column.low, column.low_weight}, std::pair{column.high, column.high_weight}}) {
      // [n, height, S_y, width, S_x]
      const at::Tensor pixel = y_pixel.unsqueeze(3).unsqueeze(4) * width + x_pixel.unsqueeze(1).unsqueeze(1);
      const at::Tensor weight = y_weight.unsqueeze(3).unsqueeze(4) * x_weight.unsqueeze(1).unsqueeze(1);
      const at::Tensor values = pixels.index({image.expand_as(pixel), pixel});
      sum = sum + (values * weight.unsqueeze(5)).sum(at::IntArrayRef({2, 4}));
    }
  }
  const at::Tensor count = (rows.count * columns.count).clamp_min(1).view({-1, 1, 1, 1});
  return (sum / count).permute({0, 3, 1, 2}).contiguous();
}

at::Tensor boxes_with_image(const std::vector<at::Tensor>& boxes) {
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < boxes.size(); ++i)
    rows.push_back(at::cat({at::full({boxes[i].size(0), 1}, static_cast<double>(i), boxes[i].options()), boxes[i]}, 1));
  return at::cat(rows);
}

at::Tensor pyramid_level(const at::Tensor& boxes, std::int64_t first, std::int64_t count) {
  const at::Tensor area = (boxes.select(1, 2) - boxes.select(1, 0)) * (boxes.select(1, 3) - boxes.select(1, 1));
  const at::Tensor level = at::floor(4 + at::log2(area.sqrt() / 224) + 1e-6);
  return level.clamp(static_cast<double>(first), static_cast<double>(first + count - 1)).to(at::kLong) - first;
}

at::Tensor pyramid_roi_align(const std::vector<at::Tensor>& levels, const std::vector<at::Tensor>& boxes, RoIAlignOptions options,
                             std::int64_t first) {
  const at::Tensor all = boxes_with_image(boxes);
  const at::Tensor level = pyramid_level(all.narrow(1, 1, 4), first, static_cast<std::int64_t>(levels.size()));
  std::vector<at::Tensor> parts, places;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    options.scale = std::ldexp(1.0, -static_cast<int>(first + static_cast<std::int64_t>(i)));
    const at::Tensor place = at::nonzero(level.eq(static_cast<std::int64_t>(i))).flatten();
    if (place.size(0) == 0) continue;
    places.push_back(place);
    parts.push_back(roi_align(levels[i], all.index_select(0, place), options));
  }
  if (parts.empty()) return at::zeros({0, levels[0].size(1), options.height, options.width}, levels[0].options());
  return at::cat(parts).index_select(0, at::argsort(at::cat(places)));
}

}  // namespace emotion
