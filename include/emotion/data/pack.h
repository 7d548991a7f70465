#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "emotion/data/manifest.h"

namespace emotion {

struct PackConfig {
  std::filesystem::path out;
  std::uint64_t samples = 2000;  ///< in a shard; 1 to 10^9
};

/// Packs a data set into tar shards as WebDataset has them: OUT/SPLIT-000000.tar .. with members KEY.jpg (or what the picture
/// is), KEY.json (the manifest's line), KEY.cls (the class id, where there is exactly one label) and KEY.face.png; KEY is the
/// sample's number in its split. OUT is a data set whose images are `SPLIT-000000.tar#KEY.jpg` and whose lines keep the picture's
/// former name as "source": a picture of several samples is packed with each. Region files and annotations are copied to OUT.
///
/// Shards are whole or not there, and lines are written when all are. A second run after a stop keeps those that hold what they
/// should and are newer than their pictures and faces, makes the others, and removes those of one with fewer samples in a shard.
/// @throws DataError with the manifest's place for a picture that cannot be read; ConfigError, also for an OUT that the set's own
/// pictures lie in; RunError; Interrupted
void pack_dataset(const Dataset& source, const PackConfig& config);

}  // namespace emotion
