#pragma once

#include <string>
#include <vector>

namespace emotion {

/// Parts a data set is split into where it does not say so itself: `80/20` -> train, val; `80/5/15` -> train, val, test.
struct SplitRatio {
  std::vector<double> parts;  ///< of any sum
  /// @throws ConfigError naming the flag unless it is two or three positive numbers
  static SplitRatio parse(const std::string& text, const char* flag = "--split");
  std::vector<std::string> names() const;
  /// Logs what the parts are in per cent, where they do not add up to 100.
  void tell_shares() const;
};

}  // namespace emotion
