#pragma once

#include <ATen/core/Tensor.h>

namespace emotion {

/// Greedy non-maximum suppression: boxes float [n, 4], scores float [n] -> int64 [m], best first: a box goes if its
/// intersection over union with a better one that stays is above `threshold`. Equal scores keep their order.
///
/// `side` is added to every width and height: 1 pixel where x2 and y2 are the last pixels of a box, as in Caffe's detectors.
/// Runs on the CPU, whatever the device of the boxes: the choice is a chain. The result is on that device.
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double threshold, double side = 0);

/// The same within each group alone (a class, a level): groups int64 [n].
at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups, double threshold);

}  // namespace emotion
