#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// Folder `root` as the dataset.yaml in `out` names it: relative where both lie below one folder and no link is in between, else
/// absolute. @throws DataError if it is not UTF-8, as dataset.yaml is
std::filesystem::path image_root_from(const std::filesystem::path& root, const std::filesystem::path& out);

/// Makes the folder of a data set. @throws ConfigError if there is a data set in it already, RunError
void make_dataset_folder(const std::filesystem::path& out);

/// A data set in `out` made from `source`: the same classes, polarity and pictures (which stay where they are), no splits yet.
/// Makes the folder. @throws ConfigError if there is a data set in it already, RunError
Dataset derive_dataset(const Dataset& source, const std::filesystem::path& out);

/// The files of the splits that a data set is made of: OUT/SPLIT.jsonl, and OUT/annotations/SPLIT.json with `annotations`. One
/// that is there is somebody's own, and none is replaced; without keep() those that were written are taken away again, or the
/// next attempt would find them.
class SplitFiles {
 public:
  /// @param splits  pairs, the name of a split first
  /// @throws ConfigError if one of the files is there already
  template <class Splits>
  SplitFiles(const Dataset& dataset, const Splits& splits, bool annotations = false) {
    for (const auto& [split, what] : splits) add(dataset, split, annotations);
  }
  ~SplitFiles();
  SplitFiles(const SplitFiles&) = delete;
  SplitFiles& operator=(const SplitFiles&) = delete;
  /// dataset.yaml is written: they are the data set's.
  void keep() { files_.clear(); }

 private:
  void add(const Dataset& dataset, const std::string& split, bool annotations);
  std::vector<std::filesystem::path> files_;
};

/// @throws DataError if a split of `samples` samples would be empty
void refuse_empty_split(const std::string& split, std::size_t samples);

/// A sample with values of its own.
Sample sample_of(const Manifest& manifest, std::size_t i);

/// Lines of one split of `source`, copied as they stand.
struct CopiedLines {
  const Manifest* source;
  std::vector<std::size_t> samples;  ///< ascending
};

/// Writes OUT/annotations/SPLIT.json with the boxes of these samples; nothing where the sources have no annotations. `image_of`
/// gives the name that a sample's picture has in the new data set. @throws DataError, RunError
void copy_annotations(const Dataset& dataset, const std::string& split, const std::vector<CopiedLines>& lines,
                      const std::function<std::string(const Manifest& source, std::size_t sample)>& image_of);

/// Writes OUT/SPLIT.jsonl, and OUT/annotations/SPLIT.json where the sources have annotations, and names the split in `dataset`;
/// save() is left to the caller, who does it last.
/// @throws DataError if there is no line to write, or if some of the sources have annotations and others have none; RunError
void write_split(Dataset& dataset, const std::string& split, const std::vector<CopiedLines>& lines);

}  // namespace emotion
