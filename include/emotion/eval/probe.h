#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/loss/metrics.h"

namespace emotion {

/// A linear classifier on frozen features.
struct ProbeOptions {
  std::string solver =
      "lbfgs";     ///< lbfgs: the optimum of scikit-learn's LogisticRegression objective; sgd: as the papers train it
  double C = 1.0;  ///< lbfgs: inverse of the L2 penalty on the weights (the bias is free)
  int epochs = 30, batch = 256;                          ///< sgd
  double lr = 0.1, momentum = 0.9, weight_decay = 1e-5;  ///< sgd; lr / 10 every 10 epochs
  bool multi_label = false;                              ///< binary cross-entropy for each class instead of softmax
  std::uint64_t seed = 1;                                ///< sgd: order
};

struct LinearModel {
  at::Tensor weight;  ///< double [K, D]
  at::Tensor bias;    ///< double [K]
};

/// Fits to features [n, D] and targets [n, K] (0 or 1; one 1 a row unless multi_label).
///
/// lbfgs minimises C * sum of losses + |W|^2 / 2 in float64, until the mean gradient's largest entry is below 1e-6.
/// @throws DataError for NaN features, no sample, or a single class
LinearModel fit_probe(const at::Tensor& features, const at::Tensor& targets, const ProbeOptions& options);

/// float [n, K]: features W^T + b
at::Tensor probe_scores(const LinearModel& model, const at::Tensor& features);

}  // namespace emotion
