#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

struct PublishedImport {
  std::string format;          ///< a name of kImportFormatNames
  std::filesystem::path root;  ///< the folder as it was unpacked
  std::filesystem::path out;   ///< data set to make
  std::string split;           ///< `80/20` -> train, test; `80/5/15` -> train, val, test. Empty: published, else the paper's
  int folds = 0;               ///< above 0: fold0-train, fold0-test .. by class, instead of a split
  std::uint64_t seed = 1;      ///< of what is drawn
  std::vector<std::string> without{};  ///< classes that are left out, and the pictures that have no other
  bool stratify = false;               ///< a split that is drawn divides each class by the ratio
};

/// What emotion_data import takes: folder, csv, webdataset, then kImportFormatNames.
std::vector<std::string> all_import_formats();

/// Makes a data set of a published one, in its published class order and split; what differs from the published counts is logged,
/// what cannot be used is listed in OUT/missing.txt (`path<TAB>reason`), what must be fetched first in OUT/urls.tsv
/// (`path below the image root<TAB>url`). Pictures stay where they are.
/// @throws ConfigError for an unknown format, a bad split or an OUT that has a data set, or a file of a split's
/// name; DataError naming file and line
void import_published(const PublishedImport& request);

}  // namespace emotion
