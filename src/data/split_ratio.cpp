#include "emotion/data/split_ratio.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {

SplitRatio SplitRatio::parse(const std::string& text, const char* flag) {
  SplitRatio ratio;
  bool valid = true;
  for (std::size_t begin = 0; valid && begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    double part = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, part);
    valid = error == std::errc{} && stop == text.data() + end && part > 0 && std::isfinite(part);
    ratio.parts.push_back(part);
    begin = end + 1;
  }
  valid = valid && std::isfinite(std::accumulate(ratio.parts.begin(), ratio.parts.end(), 0.0));
  if (!valid || ratio.parts.size() < 2 || ratio.parts.size() > 3) {
    throw ConfigError(fmt::format("{} is '{}'; 80/20 (train/val) or 80/5/15 (train/val/test) is wanted", flag, text));
  }
  return ratio;
}

std::vector<std::string> SplitRatio::names() const {
  return parts.size() == 2 ? std::vector<std::string>{"train", "val"} : std::vector<std::string>{"train", "val", "test"};
}

void SplitRatio::tell_shares() const {
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  if (std::abs(sum - 100) < 1e-6) return;
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i)
    text += fmt::format("{}{} {:.1f} %", i == 0 ? "" : ", ", names()[i], 100 * parts[i] / sum);
  log_info("the parts of the ratio {} add up to {:g}, not 100: {}", fmt::join(parts, "/"), sum, text);
}

}  // namespace emotion
