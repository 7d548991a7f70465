#include "emotion/eval/probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/random.h"
#include "emotion/signals.h"
#include "lbfgs.h"

namespace emotion {
namespace {

constexpr std::int64_t kBlock = 4096;                         // rows turned into float64 at a time
constexpr std::int64_t kKeptBytes = std::int64_t{512} << 20;  // of float64 rows that are kept
constexpr std::int64_t kPreconditionedRows = 2048;            // more would take longer than the steps that it saves
constexpr std::uint64_t kUniformStream = 0x756e69;

/// [V, n, D], whatever was given.
at::Tensor with_views(const at::Tensor& features) { return features.dim() == 2 ? features.unsqueeze(0) : features; }

at::Tensor all_rows(const at::Tensor& rows, std::int64_t n) { return rows.defined() ? rows : at::arange(n, at::kLong); }

/// The features and targets of the chosen rows, block by block in float64; small ones are kept.
///
/// Features are centred: with a free bias that leaves the optimum where it is, and features behind a ReLU, all positive, are far
/// better conditioned.
class Blocks {
 public:
  Blocks(const at::Tensor& features, const at::Tensor& targets, const at::Tensor& rows)
      : features_(features), targets_(targets), rows_(rows), mean_(at::zeros({features.size(2)}, at::kDouble)) {
    const std::int64_t views = features.size(0), per_view = (rows.size(0) + kBlock - 1) / kBlock;
    count_ = views * per_view;
    per_view_ = per_view;
    at::Tensor sum = at::zeros_like(mean_);
    for (std::int64_t i = 0; i < count_; ++i) sum += read(i).first.sum(0);
    mean_ = sum / static_cast<double>(views * rows.size(0));
    if (views * rows.size(0) * features.size(2) * 8 <= kKeptBytes) {
      for (std::int64_t i = 0; i < count_; ++i) kept_.push_back(read(i));
    }
  }
  std::int64_t count() const { return count_; }
  const at::Tensor& mean() const { return mean_; }
  std::pair<at::Tensor, at::Tensor> operator[](std::int64_t i) const {
    return kept_.empty() ? read(i) : kept_[static_cast<std::size_t>(i)];
  }

 private:
  std::pair<at::Tensor, at::Tensor> read(std::int64_t i) const {
    const std::int64_t begin = i % per_view_ * kBlock;
    const at::Tensor rows = rows_.narrow(0, begin, std::min(kBlock, rows_.size(0) - begin));
    return {features_[i / per_view_].index_select(0, rows).to(at::kDouble) - mean_, targets_.index_select(0, rows)};
  }

  at::Tensor features_, targets_, rows_, mean_;
  std::int64_t count_ = 0, per_view_ = 0;
  std::vector<std::pair<at::Tensor, at::Tensor>> kept_;
};

/// Value and gradient of C * sum of losses + |W|^2 / 2 at [K, D + 1]; the last column is the bias.
std::pair<double, at::Tensor> objective(const Blocks& blocks, const at::Tensor& parameters, double C, bool sigmoid) {
  const std::int64_t dimension = parameters.size(1) - 1;
  const at::Tensor w = parameters.narrow(1, 0, dimension), b = parameters.select(1, dimension);
  at::Tensor gradient = at::zeros_like(parameters);
  double sum = 0;
  for (std::int64_t i = 0; i < blocks.count(); ++i) {
    const auto [x, y] = blocks[i];
    const at::Tensor logits = x.matmul(w.t()) + b;
    at::Tensor of_logits;
    if (sigmoid) {
      sum += (at::softplus(logits) - y * logits).sum().item<double>();
      of_logits = logits.sigmoid() - y;
    } else {
      const at::Tensor log_p = at::log_softmax(logits, 1);
      sum -= (y * log_p).sum().item<double>();
      of_logits = log_p.exp() - y;
    }
    gradient.narrow(1, 0, dimension).add_(of_logits.t().matmul(x), C);
    gradient.select(1, dimension).add_(of_logits.sum(0), C);
  }
  gradient.narrow(1, 0, dimension).add_(w);
  return {C * sum + 0.5 * w.square().sum().item<double>(), gradient};
}

/// The inverse Hessian at W = 0 of an objective whose losses have the curvature `c` there, by Woodbury's identity:
/// (1 + c X^T X)^-1 = 1 - X^T (1 / c + X X^T)^-1 X; 1 / (c n) for the bias.
///
/// Features of a network vary a thousand times more along some directions than along others. Where samples are few nearly every
/// weight can be had at once, and L-BFGS by itself goes through thousands of steps along one direction after the other.
Lbfgs::Preconditioner curvature_at_zero(const Blocks& blocks, double c) {
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < blocks.count(); ++i) parts.push_back(blocks[i].first);
  const at::Tensor x = at::cat(parts);
  at::Tensor gram = x.matmul(x.t());
  gram.diagonal().add_(1 / c);
  const at::Tensor factor = at::linalg_cholesky(gram);
  return [x, factor, c](const at::Tensor& q) {
    at::Tensor result = q.clone();
    const at::Tensor of_weights = q.narrow(1, 0, x.size(1));
    result.narrow(1, 0, x.size(1)).sub_(at::cholesky_solve(x.matmul(of_weights.t()), factor).t().matmul(x));
    result.select(1, x.size(1)).div_(c * static_cast<double>(x.size(0)));
    return result;
  };
}

LinearModel fit_lbfgs(const at::Tensor& x, const at::Tensor& y, const at::Tensor& rows, const ProbeOptions& options) {
  const bool binary = !options.multi_label && y.size(1) == 2;
  const Blocks blocks(x, binary ? y.narrow(1, 1, 1) : y, rows);
  const double C = options.C / static_cast<double>(x.size(0));
  const bool sigmoid = options.multi_label || binary;
  constexpr double kMeanTolerance = 1e-6;  // of the gradient a sample: a hundredth of scikit-learn's
  const double curvature = C * (sigmoid ? 0.25 : 1 / static_cast<double>(y.size(1)));  // p (1 - p); of softmax at most p
  Lbfgs::Preconditioner preconditioner;
  if (x.size(0) * rows.size(0) <= kPreconditionedRows) preconditioner = curvature_at_zero(blocks, curvature);
  Lbfgs lbfgs([&](const at::Tensor& w) { return objective(blocks, w, C, sigmoid); },
              kMeanTolerance * options.C * static_cast<double>(rows.size(0)), preconditioner);
  at::Tensor w = lbfgs.minimise(at::zeros({binary ? 1 : y.size(1), x.size(2) + 1}, at::kDouble));
  if (binary) w = at::cat({w * -0.5, w * 0.5});  // softmax of the two is the sigmoid of their difference
  const at::Tensor weight = w.narrow(1, 0, x.size(2)).contiguous();
  return {weight, w.select(1, x.size(2)) - weight.matmul(blocks.mean())};
}

/// Rows of one epoch, in order.
at::Tensor epoch_rows(const at::Tensor& y, const at::Tensor& rows, const ProbeOptions& options, std::uint64_t epoch) {
  if (options.epoch_samples > 0) return at::tensor(class_uniform_rows(y, rows, options.epoch_samples, options.seed, epoch));
  const Sampler sampler{.size = static_cast<std::uint64_t>(rows.size(0)), .seed = options.seed};
  const auto order = sampler.order(epoch);
  return rows.index_select(0, at::tensor(std::vector<std::int64_t>(order.begin(), order.end())));
}

LinearModel fit_sgd(const at::Tensor& x, const at::Tensor& y, const at::Tensor& rows, const ProbeOptions& options) {
  at::Tensor w = at::zeros({y.size(1), x.size(2)}, at::kDouble), b = at::zeros({y.size(1)}, at::kDouble);
  at::Tensor momentum_w = at::zeros_like(w), momentum_b = at::zeros_like(b);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    const at::Tensor order = epoch_rows(y, rows, options, static_cast<std::uint64_t>(epoch)), view = x[epoch % x.size(0)];
    const double lr = options.every > 0 ? options.lr * std::pow(0.1, epoch / options.every) : options.lr;
    for (std::int64_t begin = 0; begin < order.size(0); begin += options.batch) {
      const at::Tensor chosen = order.narrow(0, begin, std::min<std::int64_t>(options.batch, order.size(0) - begin));
      const at::Tensor xb = view.index_select(0, chosen).to(at::kDouble), yb = y.index_select(0, chosen);
      const at::Tensor logits = xb.matmul(w.t()) + b;
      const at::Tensor p = options.multi_label ? logits.sigmoid() : at::log_softmax(logits, 1).exp();
      // The mean over the batch; for binary cross-entropy of several labels over the classes too, as PyTorch's.
      const bool over_classes = options.multi_label && !options.separate;
      const double count = static_cast<double>(chosen.size(0)) * (over_classes ? static_cast<double>(y.size(1)) : 1.0);
      const at::Tensor gradient = (p - yb) / count;
      momentum_w.mul_(options.momentum).add_(gradient.t().matmul(xb) + w * options.weight_decay);
      momentum_b.mul_(options.momentum).add_(gradient.sum(0) + b * options.weight_decay);
      w.sub_(momentum_w, lr);
      b.sub_(momentum_b, lr);
    }
  }
  return {w, b};
}

/// @throws DataError at the first row that is not finite
void check_finite(const at::Tensor& features, const at::Tensor& rows = {}) {
  const auto row = find_not_finite(features, rows);
  if (!row) return;
  throw DataError(
      fmt::format("probe: the features of row {} hold NaN or infinite values; the network they come from is broken", *row));
}

}  // namespace

std::optional<std::int64_t> find_not_finite(const at::Tensor& features, const at::Tensor& rows_in) {
  const at::Tensor x = with_views(features), rows = all_rows(rows_in, x.size(1));
  for (std::int64_t view = 0; view < x.size(0); ++view) {
    for (std::int64_t begin = 0; begin < rows.size(0); begin += kBlock) {
      const at::Tensor block = rows.narrow(0, begin, std::min(kBlock, rows.size(0) - begin));
      const at::Tensor finite = at::isfinite(x[view].index_select(0, block)).all(1);
      if (finite.all().item<bool>()) continue;
      return block[finite.logical_not().nonzero()[0].item<std::int64_t>()].item<std::int64_t>();
    }
  }
  return std::nullopt;
}

std::vector<std::int64_t> class_uniform_rows(const at::Tensor& targets, const at::Tensor& rows, std::int64_t samples,
                                             std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::vector<std::int64_t>> of_class;
  for (std::int64_t k = 0; k < targets.size(1); ++k) {
    const at::Tensor mine = rows.index_select(0, targets.select(1, k).index_select(0, rows).nonzero().view(-1)).contiguous();
    if (mine.numel() > 0)
      of_class.emplace_back(mine.const_data_ptr<std::int64_t>(), mine.const_data_ptr<std::int64_t>() + mine.numel());
  }
  Random random{seed, epoch, kUniformStream};
  random.shuffle(std::span(of_class));  // which classes get one more
  const auto classes = static_cast<std::int64_t>(of_class.size());
  std::vector<std::int64_t> order;
  for (std::int64_t k = 0; k < classes; ++k) {
    auto& mine = of_class[static_cast<std::size_t>(k)];
    for (std::int64_t left = samples / classes + (k < samples % classes); left > 0;) {
      random.shuffle(std::span(mine));
      const auto taken = std::min(left, static_cast<std::int64_t>(mine.size()));
      order.insert(order.end(), mine.begin(), mine.begin() + taken);
      left -= taken;
    }
  }
  random.shuffle(std::span(order));
  return order;
}

LinearModel fit_probe(const at::Tensor& features, const at::Tensor& targets, const ProbeOptions& options,
                      const at::Tensor& rows_in) {
  const at::NoGradGuard no_grad;
  if (options.solver != "sgd" && options.solver != "lbfgs")
    throw ConfigError("probe.solver is '" + options.solver + "'; sgd or lbfgs");
  const at::Tensor x = with_views(features), y = targets.to(at::kDouble), rows = all_rows(rows_in, x.size(1));
  if (rows.size(0) == 0) throw DataError("probe: there is no training sample");
  check_finite(x, rows);
  // A class without a positive (or without a negative, with several labels) has no optimum: its score is a constant.
  const at::Tensor positives = y.index_select(0, rows).sum(0), all = at::full({}, static_cast<double>(rows.size(0)), at::kDouble);
  const at::Tensor learned = options.multi_label ? (positives > 0).logical_and(positives < all) : positives > 0;
  const at::Tensor classes = learned.nonzero().view(-1);
  if (classes.size(0) < (options.multi_label ? 1 : 2))
    throw DataError("probe: the training samples are all of one class; at least two are needed");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  LinearModel model{at::zeros({y.size(1), x.size(2)}, at::kDouble),
                    at::full({y.size(1)}, -kInfinity, at::kDouble).masked_fill(positives == all, kInfinity)};
  const at::Tensor wanted = y.index_select(1, classes);
  const LinearModel fitted = options.solver == "sgd" ? fit_sgd(x, wanted, rows, options) : fit_lbfgs(x, wanted, rows, options);
  model.weight.index_copy_(0, classes, fitted.weight);
  model.bias.index_copy_(0, classes, fitted.bias);
  return model;
}

at::Tensor probe_scores(const LinearModel& model, const at::Tensor& features, const at::Tensor& rows_in) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = with_views(features)[0], rows = all_rows(rows_in, x.size(0));
  check_finite(x, rows);
  at::Tensor scores = at::empty({rows.size(0), model.bias.size(0)}, at::kFloat);
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kBlock) {
    const std::int64_t n = std::min(kBlock, rows.size(0) - begin);
    const at::Tensor block = x.index_select(0, rows.narrow(0, begin, n)).to(at::kDouble);
    scores.narrow(0, begin, n).copy_(block.matmul(model.weight.t()) + model.bias);
  }
  return scores;
}

at::Tensor knn_scores(const at::Tensor& train, const at::Tensor& targets, const at::Tensor& queries, int k) {
  const at::NoGradGuard no_grad;
  const std::int64_t n = train.size(0);
  if (k < 1 || k > n) throw DataError(fmt::format("knn: k is {}, there are {} training samples", k, n));
  for (const at::Tensor& side : {train, queries}) check_finite(side);
  const auto unit = [](const at::Tensor& x) { return x / x.norm(2, 1, true).clamp_min(1e-12); };
  const at::Tensor known = unit(train.to(at::kFloat)), y = targets.to(at::kFloat);
  at::Tensor scores = at::empty({queries.size(0), y.size(1)}, at::kFloat);
  const std::int64_t step = std::clamp<std::int64_t>((std::int64_t{1} << 25) / n, 1, kBlock);  // 128 MB of cosines
  for (std::int64_t begin = 0; begin < queries.size(0); begin += step) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    const std::int64_t m = std::min(step, queries.size(0) - begin);
    const at::Tensor cosine = unit(queries.narrow(0, begin, m).to(at::kFloat)).matmul(known.t());
    const at::Tensor nearest = std::get<1>(at::topk(cosine, k));  // [m, k]
    scores.narrow(0, begin, m).copy_(y.index_select(0, nearest.reshape(-1)).view({m, k, -1}).mean(1));
  }
  return scores;
}

}  // namespace emotion
