#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// Parts a data set is split into where it does not say so itself: `80/20` -> train, val; `80/5/15` -> train, val, test.
struct SplitRatio {
  std::vector<double> parts;
  /// @throws ConfigError naming the flag unless it is two or three positive numbers
  static SplitRatio parse(const std::string& text, const char* flag = "--split");
  std::vector<std::string> names() const;
};

struct FolderImport {
  std::filesystem::path root;  ///< ROOT/CLASS/image, or ROOT/{train,val,test}/CLASS/image, the images at any depth
  std::filesystem::path out;
  std::string split = "80/20";
  std::uint64_t seed = 1;
};

struct CsvImport {
  std::filesystem::path file;  ///< with a header line; comma, or tab where the header has one
  std::filesystem::path root;  ///< folder that image names are relative to
  std::filesystem::path out;
  std::string image_column = "image", label_column = "label", keywords_column, split_column;
  std::string separator = ";";  ///< between several labels or keywords of a field
  std::string split = "80/20";
  std::uint64_t seed = 1;
};

/// Writes a manifest; images stay where they are. Samples go to splits by a seeded permutation of all of them.
/// @throws DataError naming what is wrong and where (a missing image with its line); nothing is written then
void import_folder(const FolderImport& options);
void import_csv(const CsvImport& options);

}  // namespace emotion
