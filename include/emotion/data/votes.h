#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// The class with the most votes, if it has at least `at_least` and no other has as many.
std::optional<std::uint32_t> majority_vote(std::span<const std::uint32_t> votes, int at_least);

/// How well annotators agree (Fleiss, 1971).
struct Agreement {
  std::size_t items = 0;             ///< with two votes or more; others say nothing about agreement
  double observed = 0;               ///< mean over items of the part of pairs of votes that agree, P
  double expected = 0;               ///< the same by chance, from the shares of all votes: sum of p_j^2
  double kappa = 0;                  ///< (P - Pe) / (1 - Pe); NaN where all votes are for one class
  std::vector<double> at_least;      ///< [k]: fraction of items where k votes or more agree, k = 0 .. the most votes of an item
  std::vector<std::uint64_t> votes;  ///< of each class
};

/// Items may have different numbers of votes: each item's part of agreeing pairs counts once, as in Fleiss' formula.
Agreement vote_agreement(const std::vector<std::vector<std::uint32_t>>& items, std::size_t classes);

struct VoteSummary {
  std::size_t samples = 0, kept = 0, tied = 0, below = 0, without = 0;
};

/// A data set in `out` whose labels are the votes' majorities; samples with a tie, too few equal votes or none are left out.
/// The votes stay in it. @throws DataError if a split would be empty
VoteSummary write_majority(const Dataset& source, int at_least, const std::filesystem::path& out);

}  // namespace emotion
