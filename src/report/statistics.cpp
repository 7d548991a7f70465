#include "emotion/report/statistics.h"

#include <array>
#include <cmath>
#include <limits>

namespace emotion {
namespace {

/// Student's t, two-sided 95 %, by degrees of freedom from 1; the normal distribution's value beyond.
double student_quantile(std::size_t freedom) {
  static constexpr std::array<double, 30> kTable{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                                 2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                                 2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (freedom <= kTable.size()) return kTable[freedom - 1];
  // Cornish and Fisher's expansion about the normal quantile: right to three digits from 31 on.
  constexpr double kZ = 1.959964;
  const double n = static_cast<double>(freedom);
  return kZ + (kZ * kZ * kZ + kZ) / (4 * n);
}

}  // namespace

Estimate estimate(std::span<const double> values) {
  Estimate result;
  result.count = values.size();
  for (const double value : values) result.mean += value;
  result.mean /= static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  double half = std::numeric_limits<double>::infinity();
  if (values.size() > 1) {
    result.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
    half = student_quantile(values.size() - 1) * result.deviation / std::sqrt(static_cast<double>(values.size()));
  }
  result.low = result.mean - half;
  result.high = result.mean + half;
  return result;
}

Verdict judge(std::span<const double> differences) {
  if (differences.empty()) return Verdict::kUnknown;
  const Estimate difference = estimate(differences);
  if (difference.low > 0) return Verdict::kHolds;
  if (difference.high < 0) return Verdict::kFails;
  return Verdict::kOpen;
}

}  // namespace emotion
