#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace emotion {

/// Height and width in pixels.
struct ImageSize {
  std::int64_t height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// How a box is written as offsets from another (Faster R-CNN, Ren et al. 2015, Eq 2): dx, dy in parts of the other's sides, dw,
/// dh as logarithms, each times a weight. Boxes are x1 y1 x2 y2; torchvision's BoxCoder, and with `side` 1 what bottom-up
/// attention's Caffe code computes (lib/fast_rcnn/bbox_transform.py).
struct BoxCoder {
  std::array<double, 4> weights{1, 1, 1, 1};  ///< of dx, dy, dw, dh
  double side = 0;                            ///< what a side counts more than x2 - x1: 1 in Caffe's pixel boxes, else 0

  /// boxes, references: float [n, 4] -> offsets [n, 4]
  at::Tensor encode(const at::Tensor& boxes, const at::Tensor& references) const;
  /// offsets: float [n, 4 K], references: float [n, 4] -> boxes [n, K, 4]. dw and dh are held below log(1000 / 16).
  ///
  /// x2 and y2 are the centre plus half a side, whatever `side` is: Caffe takes no pixel off, so that its boxes come back `side`
  /// larger than encode() saw them. Published weights were trained and are used with that.
  at::Tensor decode(const at::Tensor& offsets, const at::Tensor& references) const;
};

/// boxes [.., 4] held within 0 .. width - margin, 0 .. height - margin
at::Tensor clip_boxes(const at::Tensor& boxes, const ImageSize& size, double margin = 0);
/// int64 [m]: the boxes [n, 4] whose sides are both at least `side`
at::Tensor large_boxes(const at::Tensor& boxes, double side);
/// Intersection over union of every pair: a [n, 4], b [m, 4] -> [n, m]; 0 / 0 is NaN, as in torchvision
at::Tensor box_iou(const at::Tensor& a, const at::Tensor& b);
/// Boxes of a picture of size `from` in the same picture of size `to`.
at::Tensor resize_boxes(const at::Tensor& boxes, const ImageSize& from, const ImageSize& to);

}  // namespace emotion
