#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/data/image.h"
#include "emotion/data/manifest.h"

namespace emotion {

/// 64-bit DCT hash of a picture and of its mirror image: near pictures differ in few bits.
struct PictureHash {
  std::uint64_t plain = 0, mirrored = 0;
};

/// The hash that Python's imagehash.phash gives for the same pixels, its first bit as the highest: luminance (ITU-R 601),
/// 32 x 32 by Pillow's Lanczos filter, DCT-II in both directions, the 8 x 8 lowest frequencies; a bit is set where the
/// coefficient is above their median. @throws DataError for an empty picture
PictureHash perceptual_hash(const Image& image);

/// One picture of a data set, however many samples show a box of it.
struct HashedPicture {
  std::string image;                ///< as the manifest has it; of a picture packed several times the first
  std::string picture;              ///< SampleView::picture()
  std::vector<std::size_t> splits;  ///< where it occurs: places in Dataset::splits, ascending
  PictureHash hash;
  int width = 0, height = 0;  ///< pixels
  std::uint64_t bytes = 0;    ///< size of the file
  std::string error;          ///< why it cannot be read; else empty
};

/// Hashes every picture of every split on `workers` threads (0 = one per core), in order of first occurrence.
///
/// Hashes are kept in DATASET/hashes.tsv as they are made: a second run, or one after a stop, reads those of unchanged files
/// (size and time) from there. Where that file cannot be written everything is hashed each time. @throws Interrupted
std::vector<HashedPicture> hash_pictures(const Dataset& dataset, int workers);

}  // namespace emotion
