#include "emotion/loss/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? kNaN : static_cast<double>(part) / static_cast<double>(whole);
}

/// The ids of the `count` best scores of a row, best first; equal scores in order of id.
std::vector<std::uint32_t> best_classes(std::span<const float> row, std::size_t count) {
  std::vector<std::uint32_t> ids(row.size());
  std::iota(ids.begin(), ids.end(), 0U);
  count = std::min(count, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](std::uint32_t a, std::uint32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
  ids.resize(count);
  return ids;
}

bool contains(const std::vector<std::uint32_t>& labels, std::uint32_t id) {
  return std::find(labels.begin(), labels.end(), id) != labels.end();
}

}  // namespace

double average_precision(std::span<const float> scores, std::span<const std::uint8_t> positive) {
  if (scores.size() != positive.size())
    throw DataError(fmt::format("average precision: {} scores for {} labels", scores.size(), positive.size()));
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const float score : scores) {
    if (std::isnan(score)) throw DataError("average precision: a score is NaN");
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const auto total = static_cast<double>(std::count_if(positive.begin(), positive.end(), [](std::uint8_t p) { return p != 0; }));
  if (total == 0) return kNaN;
  double sum = 0, hits = 0, recall = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    hits += positive[order[i]] != 0;
    const bool last_of_threshold = i + 1 == order.size() || scores[order[i + 1]] != scores[order[i]];
    if (!last_of_threshold) continue;
    sum += (hits / total - recall) * hits / static_cast<double>(i + 1);
    recall = hits / total;
  }
  return sum;
}

double ConfusionMatrix::accuracy() const {
  std::uint64_t right = 0;
  for (std::size_t k = 0; k < classes_; ++k) right += (*this)(k, k);
  return ratio(right, std::accumulate(truths_.begin(), truths_.end(), std::uint64_t{0}));
}

double ConfusionMatrix::recall(std::size_t k) const { return ratio((*this)(k, k), truths_[k]); }
double ConfusionMatrix::precision(std::size_t k) const { return ratio((*this)(k, k), predicted_[k]); }

double ConfusionMatrix::balanced_accuracy() const {
  double sum = 0;
  std::size_t present = 0;
  for (std::size_t k = 0; k < classes_; ++k) {
    if (const double r = recall(k); !std::isnan(r)) {
      sum += r;
      ++present;
    }
  }
  return present == 0 ? kNaN : sum / static_cast<double>(present);
}

void append_scores(Predictions& predictions, const at::Tensor& scores) {
  const at::Tensor dense = scores.to(at::kFloat).cpu().contiguous();
  const float* first = dense.const_data_ptr<float>();
  predictions.scores.insert(predictions.scores.end(), first, first + dense.numel());
}

std::uint32_t truth_of(const std::vector<std::uint32_t>& labels, std::uint32_t prediction,
                       const std::vector<std::int8_t>& polarity) {
  if (contains(labels, prediction) || labels.size() == 1 || polarity.empty()) {
    return contains(labels, prediction) ? prediction : labels[0];
  }
  const auto same =
      std::find_if(labels.begin(), labels.end(), [&](std::uint32_t label) { return polarity[label] == polarity[prediction]; });
  return same == labels.end() ? labels[0] : *same;
}

namespace {

/// Right polarity, easy and hard errors, as parts of all samples.
void add_polarity(const Predictions& predictions, ClassificationMetrics& metrics) {
  const auto& polarity = predictions.polarity;
  std::uint64_t same = 0, easy = 0, hard = 0, all = 0;
  for (std::size_t k = 0; k < predictions.classes; ++k) {
    for (std::size_t j = 0; j < predictions.classes; ++j) {
      const std::uint64_t count = metrics.confusion(k, j);
      all += count;
      if (polarity[k] != polarity[j]) {
        hard += count;
      } else {
        same += count;
        if (k != j) easy += count;
      }
    }
  }
  metrics.polarity_accuracy = ratio(same, all);
  metrics.easy_errors = ratio(easy, all);
  metrics.hard_errors = ratio(hard, all);
}

}  // namespace

bool has_several_labels(const ClassificationMetrics& metrics) {
  std::uint64_t labels = 0, samples = 0;
  for (std::size_t k = 0; k < metrics.per_class.size(); ++k) {
    labels += metrics.per_class[k].positives;
    samples += metrics.confusion.predictions(k);
  }
  return labels > samples;
}

std::string metric_text(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4f}", value); }

ClassificationMetrics classification_metrics(const Predictions& predictions) {
  const std::size_t n = predictions.size(), classes = predictions.classes;
  if (n == 0 || classes == 0) throw DataError("metrics of no predictions");
  if (predictions.scores.size() != n * classes)
    throw DataError(fmt::format("metrics: {} scores for {} samples and {} classes", predictions.scores.size(), n, classes));
  if (!predictions.polarity.empty() && predictions.polarity.size() != classes)
    throw DataError(fmt::format("metrics: {} polarities for {} classes", predictions.polarity.size(), classes));
  ClassificationMetrics metrics;
  metrics.confusion = ConfusionMatrix(classes);
  std::uint64_t top1 = 0, top2 = 0, top5 = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::span<const float> row(predictions.scores.data() + i * classes, classes);
    if (std::any_of(row.begin(), row.end(), [](float score) { return std::isnan(score); }))
      throw DataError(fmt::format("metrics: the scores of sample {} are NaN", i));
    const auto& labels = predictions.labels[i];
    const auto best = best_classes(row, 5);
    const auto hit = [&](std::uint32_t id) { return contains(labels, id); };
    top1 += hit(best[0]);
    top2 += std::any_of(best.begin(), best.begin() + std::min<std::ptrdiff_t>(2, std::ssize(best)), hit);
    top5 += std::any_of(best.begin(), best.end(), hit);
    if (!labels.empty()) metrics.confusion.add(truth_of(labels, best[0], predictions.polarity), best[0]);
  }
  metrics.top1 = ratio(top1, n);
  metrics.top2 = ratio(top2, n);
  metrics.top5 = ratio(top5, n);
  metrics.balanced_accuracy = metrics.confusion.balanced_accuracy();
  if (!predictions.polarity.empty()) add_polarity(predictions, metrics);
  std::vector<float> column(n);
  std::vector<std::uint8_t> positive(n);
  double sum = 0;
  std::size_t counted = 0;
  for (std::size_t k = 0; k < classes; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      column[i] = predictions.scores[i * classes + k];
      positive[i] = contains(predictions.labels[i], static_cast<std::uint32_t>(k));
    }
    const double ap = average_precision(column, positive);
    if (!std::isnan(ap)) {
      sum += ap;
      ++counted;
    }
    const auto positives = static_cast<std::uint64_t>(std::count(positive.begin(), positive.end(), std::uint8_t{1}));
    const std::uint64_t right = metrics.confusion(k, k);
    metrics.per_class.push_back({ap, metrics.confusion.precision(k), ratio(right, positives),
                                 ratio(2 * right, positives + metrics.confusion.predictions(k)), positives});
  }
  metrics.mean_average_precision = counted == 0 ? kNaN : sum / static_cast<double>(counted);
  return metrics;
}

}  // namespace emotion
