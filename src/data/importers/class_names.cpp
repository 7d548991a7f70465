#include "class_names.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/log.h"
#include "emotions.h"
#include "files.h"

namespace emotion {
namespace {

bool is_number(const std::string& name) { return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos; }

/// Orders numbers of any length: those with more digits, zeros before them aside, are larger.
auto by_value(const std::string& number) {
  const std::string digits = number.substr(std::min(number.find_first_not_of('0'), number.size() - 1));
  return std::tuple(digits.size(), digits, number);
}

std::vector<std::string> joined(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

void sort_classes(std::vector<std::string>& classes) {
  if (std::all_of(classes.begin(), classes.end(), is_number)) {
    std::sort(classes.begin(), classes.end(), [](const auto& a, const auto& b) { return by_value(a) < by_value(b); });
  } else {
    std::sort(classes.begin(), classes.end());
  }
}

void warn_of_capitals(const std::vector<std::string>& classes) {
  std::map<std::string, std::vector<std::string>> alike;
  for (const std::string& cls : classes) alike[lower_case(cls)].push_back(cls);
  std::vector<std::string> sets;
  for (const auto& [name, spellings] : alike) {
    if (spellings.size() > 1) sets.push_back(fmt::format("{}", fmt::join(spellings, "/")));
  }
  if (!sets.empty()) log_warning("classes that differ in capitals alone are not one class: {}", some_of(sets));
}

ClassCounts ClassCounts::of(const std::string& split, std::span<const Sample> samples) {
  ClassCounts counts{split, {}};
  for (const Sample& sample : samples) {
    for (const std::string& label : sample.labels) ++counts.samples[label];
  }
  return counts;
}

void warn_of_absent_classes(std::span<const ClassCounts> splits, const std::string& advice) {
  std::set<std::string> classes;
  for (const auto& split : splits) {
    for (const auto& [cls, samples] : split.samples) {
      if (samples > 0) classes.insert(cls);
    }
  }
  std::string text;
  for (const auto& split : splits) {
    std::vector<std::string> absent;
    for (const std::string& cls : classes) {
      const auto found = split.samples.find(cls);
      if (found == split.samples.end() || found->second == 0) absent.push_back(cls);
    }
    if (!absent.empty()) text += fmt::format("{}{} has none of {}", text.empty() ? "" : "; ", split.split, some_of(absent));
  }
  if (!text.empty()) log_warning("classes without a sample: {}{}", text, advice);
}

void set_known_polarity(Dataset& dataset) {
  if (!dataset.positive.empty() || !dataset.negative.empty()) return;
  static const std::vector<std::string> good = joined(joined(mikels_positive(), six_positive()), {"happiness", "positive"});
  static const std::vector<std::string> bad = joined(joined(mikels_negative(), six_negative()), {"negative"});
  std::vector<std::string> positive, negative;
  for (const std::string& cls : dataset.classes) {
    if (class_called(cls, good)) {
      positive.push_back(cls);
    } else if (class_called(cls, bad)) {
      negative.push_back(cls);
    } else {
      return;
    }
  }
  log_info("polarity by the names of the classes: positive {}; negative {}", positive.empty() ? "none" : some_of(positive),
           negative.empty() ? "none" : some_of(negative));
  dataset.positive = std::move(positive);
  dataset.negative = std::move(negative);
}

}  // namespace emotion
