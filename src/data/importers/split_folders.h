#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// A folder with the classes of one split.
struct SplitFolder {
  std::string split;   ///< train, val or test
  std::string folder;  ///< its name below the root
};

/// The subfolders of `root` that are called as splits, in any case: train, training; val, valid, validation, dev; test, testing.
/// In the order train, val, test; none where the classes lie in `root` itself.
/// @throws DataError if two of them are one split, or if another folder beside them holds pictures, which would be lost
std::vector<SplitFolder> split_folders(const std::filesystem::path& root);

}  // namespace emotion
