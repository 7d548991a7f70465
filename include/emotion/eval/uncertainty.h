#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "emotion/loss/metrics.h"

namespace emotion {

/// Predictions whose softmax confidence lies in (low, high].
struct ReliabilityBin {
  double low, high, confidence, accuracy;  ///< means; NaN for an empty bin
  std::uint64_t count;
};
struct Calibration {
  double expected_error = 0,
         largest_error = 0;  ///< ECE (Guo et al., 2017): |accuracy - confidence|, weighted by count; its maximum
  std::vector<ReliabilityBin> bins;
};
inline constexpr int kReliabilityBins = 15;
/// Softmax of the scores as confidence; right is one of the sample's labels. @throws DataError for no sample
Calibration calibration(const Predictions& predictions, int bins = kReliabilityBins);

/// NaN where the metric does not exist.
struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN(), high = low;
};
/// Of the metrics of the same names in ClassificationMetrics, and of Calibration's expected error.
struct MetricIntervals {
  Interval top1, top2, top5, balanced_accuracy, mean_average_precision;
  Interval polarity_accuracy, easy_errors, hard_errors;  ///< with a polarity
  Interval expected_error;                               ///< means something where scores are logits
};
/// 95 % percentile intervals from `resamples` draws of the samples with replacement. The same seed gives the same bits.
///
/// Time grows with samples x classes x resamples (1 ns each, about); beside the predictions, memory takes at most 256 MB of draws
/// and some bytes a sample, whatever the number of classes. @throws Interrupted
MetricIntervals bootstrap_intervals(const Predictions& predictions, int resamples, std::uint64_t seed);

/// McNemar's test of two classifiers on the same samples.
struct McNemar {
  std::uint64_t both = 0, only_first = 0, only_second = 0, neither = 0;
  bool exact = true;     ///< binomial, below 25 disagreements; else chi-square with continuity correction
  double statistic = 0;  ///< exact: the smaller count
  double p = 1;          ///< two-sided
};
McNemar mcnemar(std::uint64_t both, std::uint64_t only_first, std::uint64_t only_second, std::uint64_t neither);
/// @throws DataError if the sizes differ
McNemar compare_predictions(const Predictions& first, const Predictions& second);

}  // namespace emotion
