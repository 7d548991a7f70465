#include "emotion/stimuli/nms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <ATen/ops/tensor.h>

namespace emotion {
namespace {

/// Corners, areas and fate of boxes, best first, each in an array of its own: the inner loop then runs on whole vectors.
struct Columns {
  std::vector<float> x1, y1, x2, y2, area;
  std::vector<int> gone;

  void resize(std::size_t n) {
    for (auto* column : {&x1, &y1, &x2, &y2, &area}) column->resize(n);
    gone.assign(n, 0);
  }
};

/// Marks the boxes begin .. end that overlap box i too much.
void suppress(Columns& c, std::size_t i, std::size_t begin, std::size_t end, float threshold, float side) {
  const float x1 = c.x1[i], y1 = c.y1[i], x2 = c.x2[i], y2 = c.y2[i], area = c.area[i];
  const float *px1 = c.x1.data(), *py1 = c.y1.data(), *px2 = c.x2.data(), *py2 = c.y2.data(), *parea = c.area.data();
  int* gone = c.gone.data();
  for (std::size_t j = begin; j < end; ++j) {
    const float left = x1 > px1[j] ? x1 : px1[j], right = x2 < px2[j] ? x2 : px2[j];
    const float top = y1 > py1[j] ? y1 : py1[j], bottom = y2 < py2[j] ? y2 : py2[j];
    const float w = right - left + side, h = bottom - top + side;
    const float shared = (w > 0 ? w : 0) * (h > 0 ? h : 0);
    gone[j] |= shared / (area + parea[j] - shared) > threshold;
  }
}

/// Positions in boxes that stay, best first within each group; `group` is null where all are one.
std::vector<std::int64_t> choose(const float* boxes, const float* scores, const std::int64_t* group, std::size_t n,
                                 float threshold, float side) {
  std::vector<std::int64_t> order(n);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    if (group && group[a] != group[b]) return group[a] < group[b];
    return scores[a] > scores[b];
  });
  Columns columns;
  columns.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float* box = boxes + 4 * order[i];
    columns.x1[i] = box[0];
    columns.y1[i] = box[1];
    columns.x2[i] = box[2];
    columns.y2[i] = box[3];
    columns.area[i] = (box[2] - box[0] + side) * (box[3] - box[1] + side);
  }
  std::vector<std::int64_t> kept;
  for (std::size_t begin = 0, end; begin < n; begin = end) {
    end = begin + 1;
    while (end < n && (!group || group[order[end]] == group[order[begin]])) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      if (columns.gone[i]) continue;
      kept.push_back(order[i]);
      suppress(columns, i, i + 1, end, threshold, side);
    }
  }
  if (group) std::stable_sort(kept.begin(), kept.end(), [&](std::int64_t a, std::int64_t b) { return scores[a] > scores[b]; });
  return kept;
}

/// The largest float that is not above `threshold`: a float is above the one where it is above the other.
float float_below(double threshold) {
  const auto nearest = static_cast<float>(threshold);
  return static_cast<double>(nearest) > threshold ? std::nextafter(nearest, -std::numeric_limits<float>::infinity()) : nearest;
}

at::Tensor run(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor* groups, double threshold, double side) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4 && scores.sizes() == at::IntArrayRef({boxes.size(0)}),
              "nms: boxes [n, 4] and scores [n] are wanted");
  const at::Tensor b = boxes.detach().to(at::kCPU, at::kFloat).contiguous(),
                   s = scores.detach().to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor g = groups ? groups->to(at::kCPU, at::kLong).contiguous() : at::Tensor();
  const auto kept =
      choose(b.const_data_ptr<float>(), s.const_data_ptr<float>(), groups ? g.const_data_ptr<std::int64_t>() : nullptr,
             static_cast<std::size_t>(b.size(0)), float_below(threshold), static_cast<float>(side));
  return at::tensor(kept, at::kLong).to(boxes.device());
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double threshold, double side) {
  return run(boxes, scores, nullptr, threshold, side);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups, double threshold) {
  TORCH_CHECK(groups.sizes() == scores.sizes(), "batched_nms: a group for each score is wanted");
  return run(boxes, scores, &groups, threshold, 0);
}

}  // namespace emotion
