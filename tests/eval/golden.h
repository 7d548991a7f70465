#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include "emotion/io/weights.h"

namespace emotion {

/// A tensor of fixtures/goldens.safetensors, which tests/reference/make_eval_goldens.py wrote.
inline at::Tensor golden(const std::string& name) {
  static const StateDict state = read_safetensors(std::string(EMOTION_TEST_DATA) + "/fixtures/goldens.safetensors");
  const at::Tensor* tensor = state.find(name);
  if (tensor == nullptr) throw std::runtime_error("no golden " + name);
  return *tensor;
}

/// int64 [n] -> float64 [n, K] with a 1 in each row
inline at::Tensor hot_rows(const at::Tensor& ids, std::int64_t classes) {
  return (ids.unsqueeze(1) == at::arange(classes, at::kLong).unsqueeze(0)).to(at::kDouble);
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Class ids a row.
inline std::vector<std::vector<std::uint32_t>> label_lists(const at::Tensor& multi_hot) {
  std::vector<std::vector<std::uint32_t>> lists;
  for (std::int64_t i = 0; i < multi_hot.size(0); ++i) {
    auto& list = lists.emplace_back();
    for (std::int64_t k = 0; k < multi_hot.size(1); ++k) {
      if (multi_hot[i][k].item<double>() > 0) list.push_back(static_cast<std::uint32_t>(k));
    }
  }
  return lists;
}

}  // namespace emotion
