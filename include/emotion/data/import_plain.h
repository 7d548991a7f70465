#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// Which classes are positive emotions and which negative ones.
struct ClassPolarity {
  std::vector<std::string> positive, negative;
};

struct FolderImport {
  /// ROOT/CLASS/image, or ROOT/SPLIT/CLASS/image with SPLIT in any case: train, training; val, valid, validation, dev; test,
  /// testing. The images at any depth.
  std::filesystem::path root;
  std::filesystem::path out;
  std::string split{};  ///< ratio; empty = 80/20, and so it must be where there are folders of splits
  std::uint64_t seed = 1;
  bool stratify = false;     ///< each class is divided by the ratio, not the samples as a whole
  ClassPolarity polarity{};  ///< empty = by the names of the classes where all are known
};

struct CsvImport {
  /// With a header line. Comma, semicolon or tab is what separates fields, that with which the columns are found.
  std::filesystem::path file;
  std::filesystem::path root;  ///< folder that image names are relative to; absolute ones must lie below it
  std::filesystem::path out;
  std::string image_column = "image", label_column = "label", keywords_column{}, split_column{};
  std::string separator = ";";  ///< between several labels or keywords of a field
  std::string split{};          ///< ratio; empty = 80/20; unused with a split column
  std::uint64_t seed = 1;
  bool stratify = false;     ///< as above; not with a split column
  ClassPolarity polarity{};  ///< as above
};

/// Writes a manifest; images stay where they are. Samples go to splits by a seeded permutation of all of them.
///
/// Classes are sorted by letter, numbers by value. Warns of files that are called as no pictures, of classes without a picture
/// (they are ignored), of classes that a split has no sample of, and of those that differ in capitals alone.
/// @throws DataError naming what is wrong and where (a missing image with its line); ConfigError for a ratio where there are
/// folders of splits, or a polarity of no class; nothing is written then
void import_folder(const FolderImport& options);
void import_csv(const CsvImport& options);

}  // namespace emotion
