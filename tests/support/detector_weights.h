#pragma once

#include <regex>
#include <utility>
#include <vector>

#include "formula_weights.h"

namespace emotion {

/// Weights by noise, those whose names match multiplied by the first factor that fits.
inline void fill_scaled(torch::nn::Module& network, const std::vector<std::pair<std::regex, double>>& scales) {
  fill_by_noise(network);
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : module_state(network).entries) {
    for (const auto& [pattern, factor] : scales) {
      if (!std::regex_search(name, pattern)) continue;
      at::Tensor(tensor).mul_(factor);
      break;
    }
  }
}

/// Weights and pictures as tests/reference/make_detector_goldens.py makes them.
inline void fill_detector(torch::nn::Module& network) {
  static const std::vector<std::pair<std::regex, double>> scales{{std::regex(R"(layer\d\.\d+\.bn[23]\.weight)"), 0.3},
                                                                 {std::regex(R"(inner_blocks\.\d\.0\.weight)"), 0.4},
                                                                 {std::regex(R"(head\.bbox_pred\.weight)"), 0.05},
                                                                 {std::regex(R"(cls_logits\.weight)"), 0.5},
                                                                 {std::regex(R"(fc6\.weight)"), 0.5},
                                                                 {std::regex(R"(box_predictor\.bbox_pred\.weight)"), 0.2},
                                                                 {std::regex(R"(cls_score\.weight)"), 0.6}};
  fill_scaled(network, scales);
}

/// Weights as tests/reference/make_bottom_up_golden.py makes them.
inline void fill_bottom_up(torch::nn::Module& network) {
  static const std::vector<std::pair<std::regex, double>> scales{{std::regex(R"(backbone\.conv1\.weight)"), 0.015},
                                                                 {std::regex(R"(bn3\.weight)"), 0.5},
                                                                 {std::regex(R"(offsets\.weight)"), 0.1},
                                                                 {std::regex(R"(objectness\.weight)"), 0.5},
                                                                 {std::regex(R"(cls_score\.weight)"), 0.3}};
  fill_scaled(network, scales);
}

inline at::Tensor detector_picture(std::int64_t height, std::int64_t width, double phase) {
  const at::Tensor y = at::arange(height, at::kDouble).view({-1, 1}), x = at::arange(width, at::kDouble).view({1, -1});
  std::vector<at::Tensor> planes;
  for (int c = 0; c < 3; ++c) {
    planes.push_back(0.5 + 0.25 * at::sin(x / (3 + c) + phase) * at::cos(y / (4 + c)) +
                     0.25 * at::sign(at::sin(x / 17 + c) * at::sin(y / (13 + c) + phase)));
  }
  return at::stack(planes).to(at::kFloat);
}

}  // namespace emotion
