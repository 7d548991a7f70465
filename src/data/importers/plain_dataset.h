#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "emotion/data/import_plain.h"
#include "emotion/data/manifest.h"

namespace emotion {

/// Samples by the name of their split, in the order that dataset.yaml names them.
using SplitSamples = std::vector<std::pair<std::string, std::vector<Sample>>>;

/// Draws splits by a ratio, 80/20 if it is empty; each class by itself if `stratify`. @throws ConfigError for what is no ratio
SplitSamples draw_samples(std::vector<Sample> samples, const std::string& ratio, std::uint64_t seed, bool stratify);

/// What the imports of plain folders and tables write.
struct PlainDataset {
  std::filesystem::path out, image_root;
  std::string name;
  std::vector<std::string> classes;  ///< in any order
  ClassPolarity polarity;            ///< as asked for; empty = by the names of the classes where all are known
  SplitSamples splits;
  bool drawn = false;  ///< the splits were drawn, so that --stratify would help

  /// Writes the manifests, dataset.yaml last, and logs what they hold and what is odd about the classes.
  /// @throws ConfigError if OUT has a data set or a file of a split's name, or the polarity names no class; DataError for an
  /// empty split; nothing is written then; RunError
  void write();

 private:
  void check_polarity() const;
  void tell_classes() const;
};

}  // namespace emotion
