#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// How a data set is split again. Samples of one picture, of one group or with one key always stay together.
struct NewSplits {
  std::string ratio = "80/10/10";  ///< parts by share, of any sum; unused with counts or folds
  std::string counts;              ///< parts by number of samples, one of them may be `*`: the rest. `*/33000/71000`
  std::string names;               ///< `train/val/test`; empty = train, val and, with three parts, test
  int folds = 0;                   ///< K: splits train-1, val-1 .. train-K, val-K; each class is dealt evenly
  std::filesystem::path groups;    ///< groups of near-duplicates, as dedup writes them; empty = none
  std::string key;  ///< regular expression (ECMAScript) over the image's name: equal first groups (or matches) stay together
  std::uint64_t seed = 1;
  bool stratify = false;  ///< each class is divided by the ratio, by the first label of a sample; not with counts or folds
};

/// Which part each sample goes to; -1 = none, where the targets add up to less than there are.
///
/// Groups of several are drawn first, the largest first, each to a part with chance in proportion to the room left there, among
/// those it fits in; single samples then fill what is left. With enough single samples every target is met exactly.
std::vector<int> assign_groups(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint64_t> targets,
                               std::uint64_t seed);

/// Which of `folds` folds each sample goes to. A group goes to the fold that has the fewest samples of its classes so far, of
/// several to the smallest: the largest groups first, then class by class, equals in drawn order. Without groups the folds differ
/// by at most one in every class and in size.
std::vector<int> deal_folds(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint32_t> class_of_sample,
                            int folds, std::uint64_t seed);

/// Which part each sample goes to where every class is divided by `shares`: by largest remainder, and of equal remainders the
/// part gets the sample that the classes before have left furthest behind.
///
/// Without groups every class is divided so, by chance. A group goes to a part with most room for its classes, the largest first;
/// with large groups a class may miss its shares.
std::vector<int> stratify_groups(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint32_t> class_of_sample,
                                 std::span<const double> shares, std::uint64_t seed);

/// Sizes of the parts of `total` samples. @throws ConfigError
std::vector<std::uint64_t> parse_counts(const std::string& text, std::uint64_t total);

/// Splits all samples of `source` (of every split) again into a data set in `out`. Warns of classes that a part has no sample of.
/// @throws ConfigError, DataError (an empty split, an image that a key does not match with its line), RunError
void write_new_splits(const Dataset& source, const NewSplits& config, const std::filesystem::path& out);

}  // namespace emotion
