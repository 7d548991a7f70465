#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace emotion {

/// How many pictures a data set is published with; what is not known is left out.
struct PublishedCounts {
  std::vector<std::pair<std::string, std::uint64_t>> classes, splits;
  std::uint64_t total = 0;
  std::string class_split{};  ///< the split that `classes` speaks of; empty = all of them
};

/// How many were found.
struct FoundCounts {
  std::uint64_t samples = 0;
  std::map<std::string, std::uint64_t> classes;  ///< of the published counts' class_split
  std::map<std::string, std::uint64_t> splits;   ///< "" = still to be drawn
};

/// Logs whether the counts are the published ones, and which are not.
void compare_counts(const std::string& format, const FoundCounts& found, const PublishedCounts& published);

}  // namespace emotion
