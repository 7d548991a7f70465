#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace emotion {

/// The embedded world: small drawn scenes whose weather, colours and objects follow from a mood.
struct SynthConfig {
  /// stock: keyword lists and 32 emotion classes, 15 % of the lists with wrong emotions; affect: 8 clean classes; scenes: the
  /// same 8 classes, and the things in each picture as boxes, annotations/SPLIT.json in COCO's format; objects: what is in the
  /// picture, several a picture; annotated: keyword lists and 8 clean classes; boxed: the 32 emotion classes, several a picture,
  /// and a box; people: 8 classes, three pictures in five with a face, its crop and region features beside; faces: 8 expressions.
  std::string kind;
  std::filesystem::path out;
  int count = 4000;  ///< pictures; 80 % train, 10 % val, 10 % test
  int size = 128;    ///< side, pixels
  std::uint64_t seed = 1;
  int workers = 0;  ///< threads; 0 = one per core. The bytes do not depend on it
};

/// Writes a data set. @throws ConfigError for absurd values or an output folder that is not empty, RunError (disk), Interrupted
void write_synth(const SynthConfig& config);

}  // namespace emotion
