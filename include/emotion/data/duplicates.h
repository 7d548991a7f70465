#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/data/perceptual_hash.h"

namespace emotion {

struct DuplicateOptions {
  int radius = 4;         ///< bits two hashes may differ in
  bool mirrored = false;  ///< a mirror image is a duplicate too
  int workers = 0;        ///< threads; 0 = one per core
};

/// Pictures that show the same, the one to keep first: the largest (pixels, then bytes, then first in the data set).
struct DuplicateGroup {
  std::vector<std::uint32_t> pictures;  ///< numbers into DuplicateReport::pictures
};

struct DuplicateReport {
  DuplicateOptions options;
  std::vector<std::string> splits;      ///< names, by the numbers in HashedPicture::splits
  std::vector<HashedPicture> pictures;  ///< all of the data set
  std::vector<DuplicateGroup> groups;   ///< in order of their first member
  std::size_t unreadable = 0;           ///< pictures with an error; they are in no group

  /// Bits between picture `i` and the one its group keeps, the nearer of as it is and mirrored; true if mirrored is nearer.
  std::pair<int, bool> distance(std::uint32_t kept, std::uint32_t i) const;
  /// Pictures that are not kept.
  std::size_t dropped() const;
};

/// Hashes a data set's pictures and groups them. @throws Interrupted, ConfigError
DuplicateReport find_duplicates(const Dataset& dataset, const DuplicateOptions& options);

/// Groups whose pictures have not all the same labels (of all samples of a picture): one of them is wrong, or both are right.
std::size_t unlike_groups(const Dataset& dataset, const DuplicateReport& report);

/// The groups as JSON: {"radius", "mirrored", "pictures", "groups": [[{"image", "splits", "width", "height", "hash", "distance",
/// "mirrored"}, ..], ..]}, the kept one first. `emotion_data split --groups` reads it.
void write_duplicate_groups(const DuplicateReport& report, const std::filesystem::path& file);

/// The image names of each group of such a file. @throws DataError with the file's name
std::vector<std::vector<std::string>> read_duplicate_groups(const std::filesystem::path& file);

/// `source` without the pictures that are not kept. A kept picture that stands in several splits stays in the first alone, so
/// that no two splits share a picture. @throws DataError if a split would be empty
void write_without_duplicates(const Dataset& source, const DuplicateReport& report, const std::filesystem::path& out);

}  // namespace emotion
