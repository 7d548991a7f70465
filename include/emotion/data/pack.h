#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "emotion/data/manifest.h"

namespace emotion {

struct PackConfig {
  std::filesystem::path out;
  std::uint64_t samples = 2000;  ///< in a shard
};

/// Packs a data set into tar shards as WebDataset has them: OUT/SPLIT-000000.tar .. with members KEY.jpg (or what the picture
/// is), KEY.json (the manifest's line), KEY.cls (the class id, where there is exactly one label) and KEY.face.png; KEY is the
/// sample's number in its split. OUT is a data set whose images are `SPLIT-000000.tar#KEY.jpg` and whose lines keep the picture's
/// name before as "source": a picture of several samples is packed with each. Region files and annotations are copied beside the
/// shards.
///
/// Shards are whole or not there. A second run after a stop keeps those that hold what they should and are newer than
/// their pictures and faces, makes the others, and removes those of one with fewer samples in a shard.
/// @throws DataError with the manifest's place for a picture that cannot be read; ConfigError; RunError; Interrupted
void pack_dataset(const Dataset& source, const PackConfig& config);

struct ShardImport {
  std::filesystem::path root;  ///< folder with NAME-000000.tar .. or NAME-000000.tar.gz ..
  std::filesystem::path out;
  std::filesystem::path classes;  ///< class names, a line each, for numbers in .cls; empty = `0`, `1`, ..
};

/// Makes a data set of WebDataset shards, which stay as they are; where all are compressed (.tar.gz), they are unpacked into OUT,
/// one shard a time and each at most 100 to 1 (64 MiB in any case). Shards of one NAME are a split. A sample's picture is its
/// field jpg, jpeg, png, webp, bmp, tif, tiff or gif; labels and keywords come from json ("labels" or "label", "keywords",
/// "votes", "box"), else the label from cls; "image" of json, where it tells a split's samples apart, is the line's "source".
/// @throws DataError naming the shard (and member) for what cannot be used; ConfigError, RunError (disk), Interrupted
void import_shards(const ShardImport& options);

}  // namespace emotion
