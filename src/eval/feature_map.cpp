#include "emotion/eval/feature_map.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/zeros.h>

#include "emotion/error.h"

namespace emotion {
namespace {

at::Tensor checked(const at::Tensor& features) {
  if (features.dim() != 2 || features.size(0) < 2) throw DataError("a map of features wants two samples at least");
  if (!at::isfinite(features).all().item<bool>()) throw DataError("a map of features: some are NaN or infinite");
  return features.to(at::kDouble).cpu().contiguous();
}

/// Squared distances [n, n] between the rows of x [n, D].
std::vector<double> squared_distances(const at::Tensor& x) {
  const at::Tensor norms = x.square().sum(1);
  const at::Tensor d = (norms.unsqueeze(1) + norms.unsqueeze(0) - x.matmul(x.t()) * 2).clamp_min(0).contiguous();
  return {d.const_data_ptr<double>(), d.const_data_ptr<double>() + d.numel()};
}

/// One row of P: exp(-beta d), beta found so that the row's entropy is log(perplexity).
void fill_row(const double* distances, double* p, std::size_t n, std::size_t self, double perplexity) {
  double low = 0, high = INFINITY, nearest = INFINITY, beta = 1;
  for (std::size_t j = 0; j < n; ++j) {
    if (j != self) nearest = std::min(nearest, distances[j]);
  }
  for (int step = 0; step < 60; ++step) {
    double sum = 0, weighted = 0;
    for (std::size_t j = 0; j < n; ++j) {
      p[j] = j == self ? 0 : std::exp(-beta * (distances[j] - nearest));
      sum += p[j];
      weighted += p[j] * (distances[j] - nearest);
    }
    const double entropy = std::log(sum) + beta * weighted / sum;
    for (std::size_t j = 0; j < n; ++j) p[j] /= sum;
    if (std::abs(entropy - std::log(perplexity)) < 1e-5) break;
    (entropy > std::log(perplexity) ? low : high) = beta;
    beta = std::isinf(high) ? beta * 2 : (low + high) / 2;
  }
}

/// The symmetric probabilities of neighbourhood, sum 1.
std::vector<double> neighbour_probabilities(const std::vector<double>& distances, std::size_t n, double perplexity) {
  std::vector<double> p(n * n), symmetric(n * n);
  for (std::size_t i = 0; i < n; ++i) fill_row(&distances[i * n], &p[i * n], n, i, perplexity);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      symmetric[i * n + j] = std::max((p[i * n + j] + p[j * n + i]) / (2 * static_cast<double>(n)), 1e-12);
  }
  return symmetric;
}

/// Gradient descent on the map with momentum and per-coordinate gains, the authors' constants.
class Descent {
 public:
  Descent(std::vector<double> p, std::vector<double> start, std::size_t n)
      : p_(std::move(p)), y_(std::move(start)), n_(n), speed_(2 * n), gain_(2 * n, 1.0), kernel_(n * n) {}

  const std::vector<double>& run(int iterations) {
    // Attraction is exaggerated first, so that groups find each other.
    for (int step = 0; step < iterations; ++step) update(step < iterations / 4 ? 12.0 : 1.0, step < iterations / 4 ? 0.5 : 0.8);
    return y_;
  }

 private:
  void update(double exaggeration, double momentum) {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t j = i + 1; j < n_; ++j) {
        const double dx = y_[2 * i] - y_[2 * j], dy = y_[2 * i + 1] - y_[2 * j + 1];
        kernel_[i * n_ + j] = kernel_[j * n_ + i] = 1 / (1 + dx * dx + dy * dy);
        sum += 2 * kernel_[i * n_ + j];
      }
    }
    const double rate = std::max(50.0, static_cast<double>(n_) / 12);
    std::vector<double> gradient(2 * n_);
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) {
        if (i == j) continue;
        const double k = kernel_[i * n_ + j], pull = 4 * (exaggeration * p_[i * n_ + j] - k / sum) * k;
        gradient[2 * i] += pull * (y_[2 * i] - y_[2 * j]);
        gradient[2 * i + 1] += pull * (y_[2 * i + 1] - y_[2 * j + 1]);
      }
    }
    for (std::size_t i = 0; i < y_.size(); ++i) {
      gain_[i] = std::max(0.01, (gradient[i] > 0) != (speed_[i] > 0) ? gain_[i] + 0.2 : gain_[i] * 0.8);
      speed_[i] = momentum * speed_[i] - rate * gain_[i] * gradient[i];
      y_[i] += speed_[i];
    }
  }

  std::vector<double> p_, y_;
  std::size_t n_;
  std::vector<double> speed_, gain_, kernel_;
};

}  // namespace

PrincipalMap principal_map(const at::Tensor& features) {
  const at::Tensor x = checked(features), centred = x - x.mean(0, /*keepdim=*/true);
  auto [u, s, vt] = at::linalg_svd(centred, /*full_matrices=*/false);
  PrincipalMap map{.points = at::zeros({x.size(0), 2}, at::kDouble)};
  const double whole = s.square().sum().item<double>();
  for (std::int64_t axis = 0; axis < std::min<std::int64_t>(2, s.size(0)); ++axis) {
    const at::Tensor loading = vt[axis];
    const double sign = loading[loading.abs().argmax()].item<double>() < 0 ? -1 : 1, length = s[axis].item<double>();
    map.points.select(1, axis).copy_(u.select(1, axis) * (sign * length));
    map.explained[axis] = whole > 0 ? length * length / whole : 0;
  }
  return map;
}

at::Tensor neighbour_map(const at::Tensor& features, double perplexity, int iterations) {
  const at::Tensor x = checked(features);
  const auto n = static_cast<std::size_t>(x.size(0));
  const at::Tensor start = principal_map(x).points;
  const double spread = start.select(1, 0).std().item<double>();
  if (n < 4 || !(spread > 0)) return start;
  const at::Tensor scaled = (start * (1e-4 / spread)).contiguous();
  const double scale = x.var(0, false).sum().item<double>();  // distances of about 1: the search for beta begins near its end
  Descent descent(neighbour_probabilities(squared_distances(x / std::sqrt(scale)), n,
                                          std::clamp((static_cast<double>(n) - 1) / 3, 1.0, perplexity)),
                  {scaled.const_data_ptr<double>(), scaled.const_data_ptr<double>() + scaled.numel()}, n);
  const std::vector<double>& y = descent.run(iterations);
  at::Tensor map = at::zeros({x.size(0), 2}, at::kDouble);
  std::copy(y.begin(), y.end(), map.data_ptr<double>());
  return map;
}

std::vector<std::vector<std::int64_t>> nearest_rows(const at::Tensor& features, const std::vector<std::int64_t>& queries,
                                                    std::int64_t count) {
  const at::Tensor x = checked(features);
  const at::Tensor unit = x / x.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  std::vector<std::vector<std::int64_t>> nearest;
  for (const std::int64_t query : queries) {
    at::Tensor scores = unit.matmul(unit[query]);
    scores[query] = -2;
    const at::Tensor order = scores.argsort(/*stable=*/true, 0, /*descending=*/true);
    auto& rows = nearest.emplace_back();
    for (std::int64_t i = 0; i < std::min(count, x.size(0) - 1); ++i) rows.push_back(order[i].item<std::int64_t>());
  }
  return nearest;
}

}  // namespace emotion
