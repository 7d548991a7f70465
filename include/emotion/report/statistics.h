#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace emotion {

/// Mean of measurements and what it is worth.
struct Estimate {
  std::size_t count = 0;
  double mean = 0;
  double deviation = 0;      ///< sample standard deviation (n - 1); 0 for one measurement
  double low = 0, high = 0;  ///< Student's 95 % interval of the mean; without end for one measurement
};

/// @param values  at least one, finite
Estimate estimate(std::span<const double> values);

/// What measurements say of a claim "A is above B".
enum class Verdict {
  kHolds,    ///< the 95 % interval of the difference is above 0
  kFails,    ///< it is below 0: the order is the other way round
  kOpen,     ///< it contains 0: these seeds do not decide
  kUnknown,  ///< a side was not measured
};

/// Judges differences A - B of pairs that share a seed: `claimed` is positive where a larger A supports the claim.
Verdict judge(std::span<const double> differences);

}  // namespace emotion
