#include "emotion/eval/uncertainty.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
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
constexpr std::size_t kDrawBytes = std::size_t{256} << 20;  // of draws kept at a time

bool has(const std::vector<std::uint32_t>& labels, std::size_t k) {
  return std::find(labels.begin(), labels.end(), static_cast<std::uint32_t>(k)) != labels.end();
}

const float* row(const Predictions& p, std::size_t i) { return p.scores.data() + i * p.classes; }

std::size_t best_class(const Predictions& p, std::size_t i) {
  return static_cast<std::size_t>(std::max_element(row(p, i), row(p, i) + p.classes) - row(p, i));
}

/// The reliability bin of a confidence in (0, 1].
std::size_t bin_of(double confidence, int bins) {
  return static_cast<std::size_t>(std::clamp(static_cast<int>(std::ceil(confidence * bins)) - 1, 0, bins - 1));
}

/// Softmax probability of the class `best`.
double confidence_of(const Predictions& p, std::size_t i, std::size_t best) {
  double sum = 0;
  for (std::size_t k = 0; k < p.classes; ++k) sum += std::exp(static_cast<double>(row(p, i)[k]) - row(p, i)[best]);
  return 1 / sum;
}

enum Metric : std::size_t { kTop1, kTop2, kTop5, kBalanced, kMAP, kPolarity, kEasy, kHard, kECE, kMetrics };
using Values = std::array<double, kMetrics>;

/// What a draw needs of one sample.
struct Outcome {
  std::uint32_t truth = 0;  // its row of the confusion
  bool labelled = false, right = false, right2 = false, right5 = false, right_polarity = false;
  std::size_t bin = 0;
  double confidence = 0;
};

Outcome outcome_of(const Predictions& p, std::size_t i, std::vector<std::size_t>& ids) {
  const float* scores = row(p, i);
  const auto& labels = p.labels[i];
  std::iota(ids.begin(), ids.end(), std::size_t{0});
  const auto two = static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, p.classes));
  const auto five = static_cast<std::ptrdiff_t>(std::min<std::size_t>(5, p.classes));
  std::partial_sort(ids.begin(), ids.begin() + five, ids.end(),
                    [&](std::size_t a, std::size_t b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); });
  Outcome outcome;
  outcome.labelled = !labels.empty();
  if (outcome.labelled) outcome.truth = truth_of(labels, static_cast<std::uint32_t>(ids[0]), p.polarity);
  outcome.right = has(labels, ids[0]);
  const auto hit = [&](std::size_t k) { return has(labels, k); };
  outcome.right2 = std::any_of(ids.begin(), ids.begin() + two, hit);
  outcome.right5 = std::any_of(ids.begin(), ids.begin() + five, hit);
  outcome.right_polarity = outcome.labelled && !p.polarity.empty() && p.polarity[outcome.truth] == p.polarity[ids[0]];
  outcome.confidence = confidence_of(p, i, ids[0]);
  outcome.bin = bin_of(outcome.confidence, kReliabilityBins);
  return outcome;
}

/// The metrics of samples that count `weights` times, but for the mean average precision: that goes class by class.
Values metrics_of(const std::vector<Outcome>& outcomes, const std::vector<std::uint32_t>& weights, std::size_t classes,
                  bool polarity) {
  Values sums{};
  std::vector<double> recalled(classes), present(classes);
  std::array<double, kReliabilityBins> surplus{};  // right answers above what the confidence says
  double labelled = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Outcome& o = outcomes[i];
    const double w = weights[i];
    sums[kTop1] += w * o.right;
    sums[kTop2] += w * o.right2;
    sums[kTop5] += w * o.right5;
    surplus[o.bin] += w * (o.right - o.confidence);
    if (!o.labelled) continue;
    labelled += w;
    present[o.truth] += w;
    recalled[o.truth] += w * o.right;
    sums[kPolarity] += w * o.right_polarity;
    sums[kEasy] += w * (o.right_polarity && !o.right);
    sums[kHard] += w * !o.right_polarity;
  }
  int occurring = 0;
  for (std::size_t k = 0; k < classes; ++k) {
    if (present[k] == 0) continue;
    sums[kBalanced] += recalled[k] / present[k];
    ++occurring;
  }
  for (const double s : surplus) sums[kECE] += std::abs(s);
  const auto n = static_cast<double>(outcomes.size());
  for (const Metric m : {kTop1, kTop2, kTop5, kECE}) sums[m] /= n;
  sums[kBalanced] = occurring ? sums[kBalanced] / occurring : kNaN;
  for (const Metric m : {kPolarity, kEasy, kHard}) sums[m] = polarity && labelled > 0 ? sums[m] / labelled : kNaN;
  return sums;
}

/// How often each sample was drawn, for a block of draws: [samples, draws]. A byte will do: that one of n samples comes up more
/// than 255 times in n draws has a probability below 1e-500.
struct Draws {
  std::size_t count = 0;
  std::vector<std::uint8_t> times;
  const std::uint8_t* of(std::size_t sample) const { return times.data() + sample * count; }
};

/// Average precision of one class in every draw, in one pass over its samples from the best score down. Memory does not grow with
/// the number of classes: 30,000 keywords may be those.
class PrecisionOfClass {
 public:
  explicit PrecisionOfClass(std::size_t draws) : seen_(draws), new_hits_(draws), hits_(draws), sum_(draws) {}

  /// Adds to `total` and `counted` of each draw in which the class has a positive. scores, positive: of each sample; order: of
  /// the samples, best score first
  void add(const std::vector<float>& scores, const std::vector<std::uint32_t>& order, const std::vector<std::uint8_t>& positive,
           const Draws& draws, std::vector<double>& total, std::vector<std::uint32_t>& counted) {
    for (auto* values : {&seen_, &new_hits_}) std::fill(values->begin(), values->end(), 0U);
    for (auto* values : {&hits_, &sum_}) std::fill(values->begin(), values->end(), 0.0);
    bool any_new = false;
    for (std::size_t j = 0; j < order.size(); ++j) {
      const std::uint8_t* times = draws.of(order[j]);
      for (std::size_t b = 0; b < draws.count; ++b) seen_[b] += times[b];
      if (positive[order[j]]) {
        for (std::size_t b = 0; b < draws.count; ++b) new_hits_[b] += times[b];
        any_new = true;
      }
      const bool last_of_threshold = j + 1 == order.size() || scores[order[j + 1]] != scores[order[j]];
      if (any_new && last_of_threshold) {
        close_threshold();
        any_new = false;
      }
    }
    for (std::size_t b = 0; b < draws.count; ++b) {
      if (hits_[b] == 0) continue;
      total[b] += sum_[b] / hits_[b];
      ++counted[b];
    }
  }

 private:
  void close_threshold() {
    for (std::size_t b = 0; b < seen_.size(); ++b) {
      if (new_hits_[b] == 0) continue;
      hits_[b] += new_hits_[b];
      sum_[b] += new_hits_[b] * hits_[b] / seen_[b];
      new_hits_[b] = 0;
    }
  }

  std::vector<std::uint32_t> seen_, new_hits_;  // of each draw
  std::vector<double> hits_, sum_;
};

/// Mean average precision of every draw of a block.
std::vector<double> mean_precisions(const Predictions& p, const std::vector<std::vector<std::uint32_t>>& positives,
                                    const Draws& draws, const std::function<void()>& class_done) {
  std::vector<double> total(draws.count);
  std::vector<std::uint32_t> counted(draws.count), order(p.size());
  std::vector<float> scores(p.size());
  std::vector<std::uint8_t> positive(p.size());
  PrecisionOfClass precision(draws.count);
  for (std::size_t k = 0; k < p.classes; ++k) {
    class_done();
    if (positives[k].empty()) continue;
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = row(p, i)[k];
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
    for (const std::uint32_t i : positives[k]) positive[i] = 1;
    precision.add(scores, order, positive, draws, total, counted);
    for (const std::uint32_t i : positives[k]) positive[i] = 0;
  }
  for (std::size_t b = 0; b < draws.count; ++b) total[b] = counted[b] ? total[b] / counted[b] : kNaN;
  return total;
}

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
    const double p = confidence_of(predictions, i, best);
    const std::size_t bin = bin_of(p, bins);
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
  const std::size_t n = predictions.size(), all = static_cast<std::size_t>(std::max(resamples, 1));
  const std::size_t block = std::clamp<std::size_t>(kDrawBytes / std::max<std::size_t>(n, 1), 1, all);
  std::vector<Outcome> outcomes;
  std::vector<std::vector<std::uint32_t>> positives(predictions.classes);
  std::vector<std::size_t> ids(predictions.classes);
  for (std::size_t i = 0; i < n; ++i) {
    outcomes.push_back(outcome_of(predictions, i, ids));
    for (const std::uint32_t k : predictions.labels[i]) positives[k].push_back(static_cast<std::uint32_t>(i));
  }
  std::array<std::vector<double>, kMetrics> values;
  std::vector<std::uint32_t> weights(n);
  Progress progress("resamples", all * predictions.classes);
  std::uint64_t done = 0;
  for (std::size_t first = 0; first < all; first += block) {
    Draws draws{.count = std::min(block, all - first), .times = {}};
    draws.times.resize(n * draws.count);
    for (std::size_t b = 0; b < draws.count; ++b) {
      if (stop_requested()) throw Interrupted("interrupted; nothing was written");
      Random random{seed, first + b, kBootstrapStream};
      std::fill(weights.begin(), weights.end(), 0U);
      for (std::size_t i = 0; i < n; ++i) ++weights[random.below(n)];
      for (std::size_t i = 0; i < n; ++i) draws.times[i * draws.count + b] = static_cast<std::uint8_t>(weights[i]);
      const Values measured = metrics_of(outcomes, weights, predictions.classes, !predictions.polarity.empty());
      for (std::size_t m = 0; m < kMetrics; ++m) values[m].push_back(measured[m]);
    }
    const auto precisions = mean_precisions(predictions, positives, draws, [&] {
      progress.update(done);
      done += draws.count;
      if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    });
    std::copy(precisions.begin(), precisions.end(), values[kMAP].begin() + static_cast<std::ptrdiff_t>(first));
  }
  MetricIntervals result;
  result.top1 = percentiles(values[kTop1]);
  result.top2 = percentiles(values[kTop2]);
  result.top5 = percentiles(values[kTop5]);
  result.balanced_accuracy = percentiles(values[kBalanced]);
  result.mean_average_precision = percentiles(values[kMAP]);
  result.polarity_accuracy = percentiles(values[kPolarity]);
  result.easy_errors = percentiles(values[kEasy]);
  result.hard_errors = percentiles(values[kHard]);
  result.expected_error = percentiles(values[kECE]);
  return result;
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
