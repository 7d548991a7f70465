#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

struct RegionImportOptions {
  std::filesystem::path from;                        ///< .tsv, .npz, or a folder of .npz files
  std::string split{};                               ///< one split; empty: all
  std::int64_t top = 0;                              ///< regions of an image that are kept; 0 = all
  std::vector<std::string> classes{}, attributes{};  ///< names of the table's ids; may be empty
};

struct RegionImportSummary {
  std::uint64_t images = 0;   ///< samples of the splits
  std::uint64_t matched = 0;  ///< of those, with regions now
  std::uint64_t foreign = 0;  ///< entries of the file whose image the data set does not have
};

/// Takes regions that were found elsewhere into a data set: region files and the manifest's `regions`, as extract_regions() does.
///
/// An entry belongs to the image whose file name up to its first dot is the entry's id, or has that number, leading zeros aside:
/// the name is the number or ends in it behind _, - or a blank, and has no second one (COCO_val2014_000000262148.jpg is 262148;
/// img_12_v2.jpg and img_12_2.jpg are no number's). Every sample of the image gets the regions. Boxes are cut at the picture's
/// edges.
/// @throws DataError, WeightsError naming the place: an id that fits two images, two ids that fit one, features of another width
///         than before, a box that lies outside its picture, nothing that fits at all; Interrupted
RegionImportSummary import_regions(const Dataset& dataset, const RegionImportOptions& options);

}  // namespace emotion
