#include "emotion/eval/uncertainty.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/progress.h"
#include "emotion/random.h"
#include "emotion/signals.h"

namespace emotion {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kBootstrapStream = 0x626f6f;
constexpr std::uint64_t kExactBelow = 25;

bool has(const std::vector<std::uint32_t>& labels, std::size_t k) {
  return std::find(labels.begin(), labels.end(), static_cast<std::uint32_t>(k)) != labels.end();
}

const float* row(const Predictions& p, std::size_t i) { return p.scores.data() + i * p.classes; }

std::size_t best_class(const Predictions& p, std::size_t i) {
  return static_cast<std::size_t>(std::max_element(row(p, i), row(p, i) + p.classes) - row(p, i));
}

/// What resampling needs of the predictions, computed once: a draw is then a weight for each sample.
class Resampled {
 public:
  explicit Resampled(const Predictions& p) : n_(p.size()), classes_(p.classes), first_(n_), right_(n_), right5_(n_) {
    std::vector<std::size_t> ids(classes_);
    for (std::size_t i = 0; i < n_; ++i) {
      const float* scores = row(p, i);
      std::iota(ids.begin(), ids.end(), std::size_t{0});
      const auto five = static_cast<std::ptrdiff_t>(std::min<std::size_t>(5, classes_));
      std::partial_sort(ids.begin(), ids.begin() + five, ids.end(),
                        [&](std::size_t a, std::size_t b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); });
      first_[i] = p.labels[i].empty() ? 0 : p.labels[i][0];
      first_right_.push_back(ids[0] == first_[i]);
      right_[i] = has(p.labels[i], ids[0]);
      right5_[i] = std::any_of(ids.begin(), ids.begin() + five, [&](std::size_t k) { return has(p.labels[i], k); });
    }
    for (std::size_t k = 0; k < classes_; ++k) add_class(p, k);
  }

  /// top1, top5, balanced accuracy, mAP of samples that count `weights` times.
  std::array<double, 4> operator()(const std::vector<std::uint32_t>& weights) const {
    double top1 = 0, top5 = 0;
    std::vector<double> recalled(classes_), present(classes_);
    for (std::size_t i = 0; i < n_; ++i) {
      top1 += weights[i] * static_cast<double>(right_[i]);
      top5 += weights[i] * static_cast<double>(right5_[i]);
      present[first_[i]] += weights[i];
      recalled[first_[i]] += weights[i] * static_cast<double>(first_right_[i]);
    }
    double balanced = 0, precision = 0;
    int classes = 0, with_positive = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      if (present[k] > 0) {
        balanced += recalled[k] / present[k];
        ++classes;
      }
      if (const double ap = average_precision_of(k, weights); !std::isnan(ap)) {
        precision += ap;
        ++with_positive;
      }
    }
    const auto n = static_cast<double>(n_);
    return {top1 / n, top5 / n, classes ? balanced / classes : kNaN, with_positive ? precision / with_positive : kNaN};
  }

 private:
  struct Ranked {
    std::uint32_t sample;
    bool positive, last_of_threshold;
  };

  void add_class(const Predictions& p, std::size_t k) {
    auto& ranked = ranked_.emplace_back();
    if (std::none_of(p.labels.begin(), p.labels.end(), [&](const auto& labels) { return has(labels, k); })) return;
    std::vector<std::uint32_t> order(n_);
    std::iota(order.begin(), order.end(), 0U);
    const auto score = [&](std::uint32_t i) { return row(p, i)[k]; };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return score(a) > score(b); });
    for (std::size_t j = 0; j < n_; ++j)
      ranked.push_back({order[j], has(p.labels[order[j]], k), j + 1 == n_ || score(order[j + 1]) != score(order[j])});
  }

  double average_precision_of(std::size_t k, const std::vector<std::uint32_t>& weights) const {
    double seen = 0, hits = 0, new_hits = 0, sum = 0;
    for (const Ranked& r : ranked_[k]) {
      const double w = weights[r.sample];
      seen += w;
      if (r.positive) new_hits += w;
      if (r.last_of_threshold && new_hits > 0) {
        hits += new_hits;
        sum += new_hits * hits / seen;
        new_hits = 0;
      }
    }
    return hits > 0 ? sum / hits : kNaN;
  }

  std::size_t n_, classes_;
  std::vector<std::uint32_t> first_;
  std::vector<std::uint8_t> right_, right5_, first_right_;
  std::vector<std::vector<Ranked>> ranked_;
};

/// The 2.5 and 97.5 % points, interpolated as NumPy's percentile.
Interval percentiles(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return {kNaN, kNaN};
  std::sort(values.begin(), values.end());
  const auto point = [&](double q) {
    const double place = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const double above = values[std::min(below + 1, values.size() - 1)];
    return values[below] + (place - static_cast<double>(below)) * (above - values[below]);
  };
  return {point(0.025), point(0.975)};
}

}  // namespace

Calibration calibration(const Predictions& predictions, int bins) {
  if (predictions.size() == 0) throw DataError("calibration of no predictions");
  Calibration result;
  std::vector<double> confidence(static_cast<std::size_t>(bins)), right(confidence.size());
  std::vector<std::uint64_t> count(confidence.size());
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::size_t best = best_class(predictions, i);
    double sum = 0;
    for (std::size_t k = 0; k < predictions.classes; ++k)
      sum += std::exp(static_cast<double>(row(predictions, i)[k]) - row(predictions, i)[best]);
    const double p = 1 / sum;
    const auto bin = static_cast<std::size_t>(std::clamp(static_cast<int>(std::ceil(p * bins)) - 1, 0, bins - 1));
    confidence[bin] += p;
    right[bin] += has(predictions.labels[i], best);
    ++count[bin];
  }
  for (std::size_t b = 0; b < count.size(); ++b) {
    const auto n = static_cast<double>(count[b]);
    const ReliabilityBin bin{static_cast<double>(b) / bins, static_cast<double>(b + 1) / bins,
                             count[b] ? confidence[b] / n : kNaN, count[b] ? right[b] / n : kNaN, count[b]};
    if (count[b] > 0) {
      const double error = std::abs(bin.accuracy - bin.confidence);
      result.expected_error += error * n / static_cast<double>(predictions.size());
      result.largest_error = std::max(result.largest_error, error);
    }
    result.bins.push_back(bin);
  }
  return result;
}

MetricIntervals bootstrap_intervals(const Predictions& predictions, int resamples, std::uint64_t seed) {
  const Resampled metrics(predictions);
  std::array<std::vector<double>, 4> values;
  std::vector<std::uint32_t> weights(predictions.size());
  Progress progress("resamples", static_cast<std::uint64_t>(resamples));
  for (int b = 0; b < resamples; ++b) {
    progress.update(static_cast<std::uint64_t>(b));
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    Random random{seed, static_cast<std::uint64_t>(b), kBootstrapStream};
    std::fill(weights.begin(), weights.end(), 0U);
    for (std::size_t i = 0; i < weights.size(); ++i) ++weights[random.below(weights.size())];
    const auto measured = metrics(weights);
    for (std::size_t m = 0; m < 4; ++m) values[m].push_back(measured[m]);
  }
  return {percentiles(values[0]), percentiles(values[1]), percentiles(values[2]), percentiles(values[3])};
}

McNemar mcnemar(std::uint64_t both, std::uint64_t only_first, std::uint64_t only_second, std::uint64_t neither) {
  McNemar result{.both = both, .only_first = only_first, .only_second = only_second, .neither = neither};
  const std::uint64_t n = only_first + only_second, smaller = std::min(only_first, only_second);
  result.exact = n < kExactBelow;
  if (result.exact) {
    double term = std::pow(0.5, static_cast<double>(n)), sum = 0;  // C(n, i) / 2^n
    for (std::uint64_t i = 0; i <= smaller; ++i) {
      sum += term;
      term *= static_cast<double>(n - i) / static_cast<double>(i + 1);
    }
    result.statistic = static_cast<double>(smaller);
    result.p = std::min(1.0, 2 * sum);
  } else {
    const double difference = static_cast<double>(n - 2 * smaller) - 1;
    result.statistic = difference * difference / static_cast<double>(n);
    result.p = std::erfc(std::sqrt(result.statistic / 2));  // chi-square with one degree of freedom
  }
  return result;
}

McNemar compare_predictions(const Predictions& first, const Predictions& second) {
  if (first.size() != second.size())
    throw DataError(fmt::format("comparison: {} predictions against {}", first.size(), second.size()));
  std::uint64_t counts[2][2] = {{0, 0}, {0, 0}};
  for (std::size_t i = 0; i < first.size(); ++i)
    ++counts[has(first.labels[i], best_class(first, i))][has(second.labels[i], best_class(second, i))];
  return mcnemar(counts[1][1], counts[1][0], counts[0][1], counts[0][0]);
}

}  // namespace emotion
