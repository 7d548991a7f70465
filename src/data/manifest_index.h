#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "emotion/data/manifest.h"

namespace emotion {

/// The binary index of a split: this header, then samples, ids, word ends, words' and paths' characters, each 8-byte aligned.
struct IndexHeader {
  std::uint64_t magic;                               ///< kIndexMagic: also tells the byte order
  std::uint64_t jsonl_size, jsonl_time, class_hash;  ///< what the index was made from
  std::uint64_t samples, ids, words, word_bytes, path_bytes;
  std::uint64_t checksum;  ///< of the fields above
};
inline constexpr std::uint64_t kIndexMagic = 0x3158'4449'4f4d'45ULL + (1ULL << 56);  // "EMOIDX1", version 1

struct IndexSample {
  std::uint64_t line;
  std::uint64_t paths;  ///< offset of image, face, regions and source, one after the other
  std::uint64_t ids;    ///< offset of labels, keywords and votes, one after the other
  std::uint32_t image_size, face_size, regions_size;
  std::uint32_t labels, keywords, votes;
  std::uint32_t has_box;
  float box[4];
  std::uint32_t source_size;
};
static_assert(sizeof(IndexSample) == 72);

/// Parses a split's JSONL into index bytes (without the sums of the file's state). `problem(line, text)` is told of every
/// broken line; such lines are left out.
std::string build_index(const Dataset& dataset, std::string_view jsonl,
                        const std::function<void(std::uint64_t, const std::string&)>& problem);

}  // namespace emotion
