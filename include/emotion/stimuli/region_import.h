#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/stimuli/region_file.h"

namespace emotion {

/// Regions of one image in a file of the bottom-up-attention family.
struct ImportedRegions {
  std::string image_id;                ///< as the file names the image: a number, or the file's name up to its first dot
  RegionFile regions;                  ///< scores fall from 1 where the file has none: its order is kept
  std::int64_t width = 0, height = 0;  ///< of the image, pixels; 0 where the file does not say
};

/// A .tsv, line by line: `image_id w h num_boxes boxes features` (peteanderson80/bottom-up-attention), or `img_id img_h img_w
/// objects_id objects_conf attrs_id attrs_conf num_boxes boxes features` (airsplay, LXMERT). Arrays are base64 of little-endian
/// float32 and int64. Where scores are given, regions are sorted by them.
/// @throws DataError with file:line: another number of fields, broken base64, sizes that do not fit
void read_region_tsv(const std::filesystem::path& file, const std::function<void(ImportedRegions&&)>& take);

/// An .npz of MILVLG's extractor: x [n, F] (or [F, n]), bbox [n, 4]; `info`, a pickle, is not read.
/// @throws WeightsError naming the file
ImportedRegions read_region_npz(const std::filesystem::path& file);

/// Standard base64; line breaks within are ignored. False if the text is broken.
bool decode_base64(std::string_view text, std::string& bytes);

/// Names of a vocabulary, a line each: the first of comma-separated synonyms, lower-case, without blanks at its ends.
std::vector<std::string> read_vocabulary_names(const std::filesystem::path& file);

}  // namespace emotion
