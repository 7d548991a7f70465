#include "emotion/stimuli/boxes.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

namespace emotion {
namespace {

struct Centered {
  at::Tensor x, y, width, height;
};

Centered centered(const at::Tensor& boxes, double side) {
  const at::Tensor width = boxes.select(-1, 2) - boxes.select(-1, 0) + side,
                   height = boxes.select(-1, 3) - boxes.select(-1, 1) + side;
  return {boxes.select(-1, 0) + 0.5 * width, boxes.select(-1, 1) + 0.5 * height, width, height};
}

}  // namespace

at::Tensor BoxCoder::encode(const at::Tensor& boxes, const at::Tensor& references) const {
  const Centered to = centered(boxes, side), from = centered(references, side);
  return at::stack({weights[0] * (to.x - from.x) / from.width, weights[1] * (to.y - from.y) / from.height,
                    weights[2] * at::log(to.width / from.width), weights[3] * at::log(to.height / from.height)},
                   1);
}

at::Tensor BoxCoder::decode(const at::Tensor& offsets, const at::Tensor& references) const {
  const double most = std::log(1000.0 / 16);
  const Centered from = centered(references.to(offsets.scalar_type()), side);
  const at::Tensor parts = offsets.view({offsets.size(0), offsets.size(1) / 4, 4});
  const auto part = [&](std::int64_t i) { return parts.select(2, i) / weights[static_cast<std::size_t>(i)]; };
  const at::Tensor x = part(0) * from.width.unsqueeze(1) + from.x.unsqueeze(1);
  const at::Tensor y = part(1) * from.height.unsqueeze(1) + from.y.unsqueeze(1);
  const at::Tensor half_width = 0.5 * (at::exp(part(2).clamp_max(most)) * from.width.unsqueeze(1));
  const at::Tensor half_height = 0.5 * (at::exp(part(3).clamp_max(most)) * from.height.unsqueeze(1));
  return at::stack({x - half_width, y - half_height, x + half_width, y + half_height}, 2);
}

at::Tensor clip_boxes(const at::Tensor& boxes, const ImageSize& size, double margin) {
  const double width = static_cast<double>(size.width) - margin, height = static_cast<double>(size.height) - margin;
  return at::stack({boxes.select(-1, 0).clamp(0, width), boxes.select(-1, 1).clamp(0, height),
                    boxes.select(-1, 2).clamp(0, width), boxes.select(-1, 3).clamp(0, height)},
                   -1);
}

at::Tensor large_boxes(const at::Tensor& boxes, double side) {
  const at::Tensor width = boxes.select(1, 2) - boxes.select(1, 0), height = boxes.select(1, 3) - boxes.select(1, 1);
  return at::nonzero(width.ge(side).logical_and_(height.ge(side))).flatten();
}

at::Tensor box_iou(const at::Tensor& a, const at::Tensor& b) {
  const auto area = [](const at::Tensor& boxes) {
    return (boxes.select(1, 2) - boxes.select(1, 0)) * (boxes.select(1, 3) - boxes.select(1, 1));
  };
  const at::Tensor first = at::maximum(a.unsqueeze(1).narrow(2, 0, 2), b.narrow(1, 0, 2));
  const at::Tensor last = at::minimum(a.unsqueeze(1).narrow(2, 2, 2), b.narrow(1, 2, 2));
  const at::Tensor sides = (last - first).clamp_min(0);
  const at::Tensor shared = sides.select(2, 0) * sides.select(2, 1);
  return shared / (area(a).unsqueeze(1) + area(b) - shared);
}

at::Tensor resize_boxes(const at::Tensor& boxes, const ImageSize& from, const ImageSize& to) {
  // In float, as torchvision computes the two factors.
  const float x = static_cast<float>(to.width) / static_cast<float>(from.width);
  const float y = static_cast<float>(to.height) / static_cast<float>(from.height);
  return boxes * at::tensor({x, y, x, y}, boxes.options());
}

}  // namespace emotion
