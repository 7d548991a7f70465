#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// A linear classifier on frozen features (EmotionNet, Table 2).
struct ProbeOptions {
  /// lbfgs: the optimum of scikit-learn's LogisticRegression objective; sgd: the papers' recipe, one linear layer from zero.
  std::string solver = "lbfgs";
  double C = 1.0;                   ///< lbfgs: inverse of the L2 penalty on the weights (the bias is free)
  int epochs = 30, batch = 256;     ///< sgd
  double lr = 0.1, momentum = 0.9;  ///< sgd
  double weight_decay = 1e-5;       ///< sgd
  int every = 10;                   ///< sgd: lr / 10 every so many epochs; 0 = constant
  std::int64_t epoch_samples = 0;   ///< sgd: samples an epoch, as many of every class; 0 = every sample once
  bool multi_label = false;         ///< binary cross-entropy for each class instead of softmax
  /// multi_label, sgd: each class is a problem of its own, at the full lr. Else the loss is their mean, as PyTorch's, and a class
  /// learns at lr / K.
  bool separate = false;
  std::uint64_t seed = 1;  ///< sgd: order
};

struct LinearModel {
  at::Tensor weight;  ///< double [K, D]
  at::Tensor bias;    ///< double [K]; -inf for a class that no training sample has, +inf for one (multi_label) that all have
};

/// The first of `rows` (undefined = all) of features [n, D] or [V, n, D] that holds NaN or an infinite value. Looks block by
/// block: the features may be a mapped file that memory would not hold.
std::optional<std::int64_t> find_not_finite(const at::Tensor& features, const at::Tensor& rows = {});

/// Fits to float features [n, D], or [V, n, D] of V augmented views, and targets [n, K] (0 or 1; one 1 a row unless
/// multi_label). `rows`, int64, are the samples used; undefined = all.
///
/// lbfgs minimises C * sum of losses + |W|^2 / 2 in float64 until the mean gradient's largest entry is below 1e-6; two classes
/// are one logistic regression, as in scikit-learn; the sum over V views is divided by V. sgd sees view `epoch mod V`.
/// @throws DataError naming the row of a NaN or infinite feature; for no sample, or a single class; Interrupted
LinearModel fit_probe(const at::Tensor& features, const at::Tensor& targets, const ProbeOptions& options,
                      const at::Tensor& rows = {});

/// float [m, K]: features W^T + b, of all rows or of `rows`.
at::Tensor probe_scores(const LinearModel& model, const at::Tensor& features, const at::Tensor& rows = {});

/// k nearest training rows by cosine; float [m, K]: the part of them that has each class.
///
/// `train` [n, D], `targets` [n, K], `queries` [m, D]; of equal votes the lower class id comes first, as in scikit-learn.
/// @throws DataError if k > n, or for a feature that is NaN
at::Tensor knn_scores(const at::Tensor& train, const at::Tensor& targets, const at::Tensor& queries, int k);

/// `samples` rows for one epoch, as many of every class that occurs (they differ by at most one), shuffled; a class with fewer
/// rows gives each of them again before any a third time. Depends on (seed, epoch) alone.
std::vector<std::int64_t> class_uniform_rows(const at::Tensor& targets, const at::Tensor& rows, std::int64_t samples,
                                             std::uint64_t seed, std::uint64_t epoch);

}  // namespace emotion
