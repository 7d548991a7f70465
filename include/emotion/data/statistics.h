#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// What EmotionNet, Sec. 3.2, reports of its data, of one split. An emotion keyword is a keyword that is a class.
struct SplitStatistics {
  std::string split;
  std::uint64_t samples = 0, labels = 0, keywords = 0, emotional = 0, distinct_keywords = 0;
  std::uint64_t with_box = 0, with_face = 0, with_regions = 0, with_votes = 0;
  std::map<std::uint64_t, std::uint64_t> by_keywords, by_emotional;  ///< number of keywords of an image -> images
  std::vector<std::uint64_t> per_class;                              ///< samples labelled with it
};

SplitStatistics split_statistics(const Manifest& manifest);

/// How often two classes stand at one image: by label, where an image has none by emotion keyword. Symmetric; [k, k] counts the
/// images of class k.
class CooccurrenceMatrix {
 public:
  /// @throws ConfigError above 20,000 classes: the matrix would take 3 GB
  explicit CooccurrenceMatrix(std::size_t classes);
  void add(const Manifest& manifest);
  std::uint64_t operator()(std::size_t a, std::size_t b) const { return counts_[a * classes_ + b]; }
  std::size_t classes() const { return classes_; }
  std::uint64_t images() const { return images_; }

  struct Pair {
    std::size_t a = 0, b = 0;
    std::uint64_t images = 0;
    double lift = 0;  ///< times as often as if the two were independent
  };
  /// Pairs that occur, most images first.
  std::vector<Pair> top_pairs(std::size_t count) const;
  /// A table with class names in the first row and column, tabs between.
  void write(const std::vector<std::string>& names, const std::filesystem::path& file) const;

 private:
  std::size_t classes_;
  std::uint64_t images_ = 0;
  std::vector<std::uint64_t> counts_;
};

/// Emotion keywords that people have looked at.
struct LabelNoise {
  std::uint64_t images = 0, checked = 0, wrong = 0, open = 0;
  double rate = 0;           ///< wrong / checked
  double low = 0, high = 0;  ///< its 95 % interval (Wilson)
};

/// Writes a table for people to fill in: `image<TAB>emotion<TAB>?` for every label (or emotion keyword) of `count` images drawn
/// from all splits by seed. @throws ConfigError if the file is there with another line than such: somebody filled it in
void write_check_list(const Dataset& dataset, std::uint64_t count, std::uint64_t seed, const std::filesystem::path& file);

/// Counts such a table with `right` or `wrong` in its last column; `?` is open. @throws DataError with file:line
LabelNoise read_check_list(const std::filesystem::path& file);

}  // namespace emotion
