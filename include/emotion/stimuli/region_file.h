#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/io/file.h"

namespace emotion {

/// The regions a detector found in one image, best first.
struct RegionFile {
  at::Tensor features;      ///< float [n, F]
  at::Tensor boxes;         ///< float [n, 4]: x1 y1 x2 y2, pixels of the upright picture
  at::Tensor scores;        ///< float [n]
  at::Tensor labels{};      ///< int64 [n]: positions in `classes`; undefined where the file has none
  at::Tensor attributes{};  ///< int64 [n]: positions in `attribute_names`; undefined where the file has none
  std::vector<std::string> classes{}, attribute_names{};
  std::string source{};  ///< what made it: weights and settings; empty where the file does not say
  /// How many regions were kept at most; 0 = all there were; nothing where the file does not say.
  std::optional<std::int64_t> top{};
};

/// Reads a region file (.safetensors). Features other than `width` numbers wide are refused; 0 = any width.
/// @throws WeightsError naming the file: a missing tensor, shapes that do not fit together, NaN, another width, ids below 0 or
/// behind the file's names
RegionFile read_region_file(const std::filesystem::path& file, std::int64_t width = 0);

/// Whether a source tells what found the regions: of those that were imported no more is known than a file's name.
bool is_known_source(const std::string& source);

/// The boxes must lie within the picture they are of, give or take a pixel. `file` is for the error's text. @throws DataError
void check_boxes_within(const RegionFile& regions, int width, int height, const std::filesystem::path& file);

/// Writes a region file whole or not at all. @throws RunError
void write_region_file(const std::filesystem::path& file, const RegionFile& regions, FileSync sync = FileSync::kNow);

}  // namespace emotion
