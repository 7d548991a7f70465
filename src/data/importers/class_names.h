#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// By value where all of them are whole numbers, else by letter.
void sort_classes(std::vector<std::string>& classes);

/// Warns, in one line, of classes that differ in capitals alone.
void warn_of_capitals(const std::vector<std::string>& classes);

/// How many samples of each class a split has; classes without any need not be there.
struct ClassCounts {
  std::string split;
  std::map<std::string, std::uint64_t> samples;

  static ClassCounts of(const std::string& split, std::span<const Sample> samples);
};

/// Warns, in one line, of classes that a split has no sample of and another has; `advice` ends the line.
void warn_of_absent_classes(std::span<const ClassCounts> splits, const std::string& advice = {});

/// Fills the polarity in where every class is a known emotion (Mikels' eight, Ekman's six, positive, negative; angry and the like
/// too), and logs it. Else, or where there is one already, nothing is changed.
void set_known_polarity(Dataset& dataset);

}  // namespace emotion
