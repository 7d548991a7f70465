#include "published_counts.h"

#include <fmt/format.h>

#include "emotion/log.h"

namespace emotion {
namespace {

/// `name found (published n)` of each count that differs.
std::string differences(const std::map<std::string, std::uint64_t>& found,
                        const std::vector<std::pair<std::string, std::uint64_t>>& published) {
  std::string text;
  for (const auto& [name, count] : published) {
    const auto place = found.find(name);
    const std::uint64_t here = place == found.end() ? 0 : place->second;
    if (here != count) text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", name, here, count);
  }
  return text;
}

}  // namespace

void compare_counts(const std::string& format, const FoundCounts& found, const PublishedCounts& published) {
  std::uint64_t total = published.total;
  if (total == 0) {
    for (const auto& [name, count] : published.splits.empty() ? published.classes : published.splits) total += count;
  }
  if (total == 0) return log_info("{}: {} samples; no published count is known", format, found.samples);
  const bool drawn = found.splits.contains("");
  const bool classes_known = published.class_split.empty() || found.splits.contains(published.class_split);
  const std::string classes_differ = classes_known ? differences(found.classes, published.classes) : std::string();
  const std::string splits_differ = drawn ? std::string() : differences(found.splits, published.splits);
  if (found.samples == total && classes_differ.empty() && splits_differ.empty())
    return log_info("{}: {} samples, as published", format, total);
  std::string text = fmt::format("{} samples; published: {}", found.samples, total);
  if (!classes_differ.empty()) {
    text += fmt::format("; by class{}, published in brackets: {}",
                        published.class_split.empty() ? "" : " in " + published.class_split, classes_differ);
  }
  if (!splits_differ.empty()) text += "; by split: " + splits_differ;
  log_warning("{}: {}", format, text);
}

}  // namespace emotion
