#pragma once

#include <filesystem>

namespace emotion {

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
