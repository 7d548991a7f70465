#include "emotion/loss/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include <ATen/Parallel.h>
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

/// average_precision() of scores without a NaN, by the scores of the positives, in any order.
///
/// Between two of those the recall stays: only they need to be sorted, and of each other score no more is wanted than which of
/// them it reaches. A class among thousands has few.
double precision_of(std::span<const float> scores, std::vector<float> positives) {
  if (positives.empty()) return kNaN;
  std::sort(positives.begin(), positives.end(), std::greater<>());
  std::vector<std::size_t> reached(positives.size());  // scores between this positive's and the one before, this one's included
  for (const float score : scores) {
    if (score < positives.back()) continue;
    const auto first = std::lower_bound(positives.begin(), positives.end(), score, std::greater<>());
    ++reached[static_cast<std::size_t>(first - positives.begin())];
  }
  const auto total = static_cast<double>(positives.size());
  double sum = 0, recall = 0;
  std::size_t count = 0;  // of scores that reach the threshold
  for (std::size_t i = 0; i < positives.size(); ++i) {
    count += reached[i];  // all of a threshold's are counted at its first positive
    if (i + 1 < positives.size() && positives[i + 1] == positives[i]) continue;
    const auto hits = static_cast<double>(i + 1);
    sum += (hits / total - recall) * hits / static_cast<double>(count);
    recall = hits / total;
  }
  return sum;
}

/// The samples of each class, ascending.
std::vector<std::vector<std::size_t>> samples_by_class(const Predictions& predictions) {
  std::vector<std::vector<std::size_t>> samples(predictions.classes);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    for (const std::uint32_t label : predictions.labels[i]) {
      if (label < samples.size() && (samples[label].empty() || samples[label].back() != i)) samples[label].push_back(i);
    }
  }
  return samples;
}

/// Average precision of each class. A row's scores lie side by side: some classes are taken at a time, as many as a cache line
/// holds.
std::vector<double> average_precisions(const Predictions& predictions, const std::vector<std::vector<std::size_t>>& samples) {
  constexpr std::size_t kBlock = 16;
  const std::size_t n = predictions.size(), classes = predictions.classes;
  std::vector<double> all(classes);
  const auto blocks = static_cast<std::int64_t>((classes + kBlock - 1) / kBlock);
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> columns(kBlock * n);
    for (auto block = static_cast<std::size_t>(begin); block < static_cast<std::size_t>(end); ++block) {
      const std::size_t first = block * kBlock, width = std::min(kBlock, classes - first);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < width; ++k) columns[k * n + i] = predictions.scores[i * classes + first + k];
      }
      for (std::size_t k = 0; k < width; ++k) {
        const std::span<const float> column(columns.data() + k * n, n);
        std::vector<float> positives;
        for (const std::size_t i : samples[first + k]) positives.push_back(column[i]);
        all[first + k] = precision_of(column, std::move(positives));
      }
    }
  });
  return all;
}

/// The five best classes of each row, or none of a row that holds a NaN.
std::vector<std::vector<std::uint32_t>> best_of_rows(const Predictions& predictions) {
  std::vector<std::vector<std::uint32_t>> best(predictions.size());
  at::parallel_for(0, static_cast<std::int64_t>(best.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const std::span<const float> row(predictions.scores.data() + i * predictions.classes, predictions.classes);
      if (std::none_of(row.begin(), row.end(), [](float score) { return std::isnan(score); })) best[i] = best_classes(row, 5);
    }
  });
  return best;
}

}  // namespace

double average_precision(std::span<const float> scores, std::span<const std::uint8_t> positive) {
  if (scores.size() != positive.size())
    throw DataError(fmt::format("average precision: {} scores for {} labels", scores.size(), positive.size()));
  std::vector<float> positives;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw DataError("average precision: a score is NaN");
    if (positive[i] != 0) positives.push_back(scores[i]);
  }
  return precision_of(scores, std::move(positives));
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
  const auto rows = best_of_rows(predictions);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& labels = predictions.labels[i];
    const auto& best = rows[i];
    if (best.empty()) throw DataError(fmt::format("metrics: the scores of sample {} are NaN", i));
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
  const auto samples = samples_by_class(predictions);
  const std::vector<double> precisions = average_precisions(predictions, samples);
  double sum = 0;
  std::size_t counted = 0;
  for (std::size_t k = 0; k < classes; ++k) {
    const double ap = precisions[k];
    if (!std::isnan(ap)) {
      sum += ap;
      ++counted;
    }
    const std::uint64_t positives = samples[k].size(), right = metrics.confusion(k, k);
    metrics.per_class.push_back({ap, metrics.confusion.precision(k), ratio(right, positives),
                                 ratio(2 * right, positives + metrics.confusion.predictions(k)), positives});
  }
  metrics.mean_average_precision = counted == 0 ? kNaN : sum / static_cast<double>(counted);
  return metrics;
}

}  // namespace emotion
