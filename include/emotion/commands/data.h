#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/commands/common.h"
#include "emotion/data/import_formats.h"

namespace emotion {

/// `emotion_data import`: a data set made from pictures and labels, or of a published one.
struct ImportOptions {
  std::string format, file, root, out;
  std::string image_column = "image", label_column = "label", keywords_column, split_column, separator = ";", split;
  int folds = 0;
  std::uint64_t seed = 1;
  std::vector<std::string> without, positive, negative;
  bool stratify = false;
};

/// `emotion_data verify`: every problem of a data set, or with `out` a data set of what is whole.
struct VerifyOptions {
  std::string data, out;
  int workers = 0;
};

/// `emotion_data stats`: what a data set holds, and how noisy its labels are.
struct StatsOptions {
  std::string data, json, html, cooccurrence, checked, check_list;
  std::uint64_t check_images = 1000, seed = 1;
};

/// `emotion_data synth`: a data set of drawn scenes.
struct SynthOptions {
  std::string kind, out;
  int count = 4000, size = 128, workers = 0;
  std::uint64_t seed = 1;
};

/// `emotion_data regions`: region files made by a detector, or with `import_from` taken from elsewhere.
struct RegionsOptions {
  std::string data, split, checkpoint, device = "auto", pictures, import_from, objects, attributes;
  std::vector<std::string> settings;
  int top = 0, batch = 4;
  std::uint64_t count = 24;
  bool anew = false;
  ShareOptions share;
};

/// `emotion_data faces`: the largest face of every image.
struct FacesOptions {
  std::string data, split, landmarks, cnn, json;
  int size = 48, upsample = 1, max_side = 1024, workers = 0;
  double padding = 0.25, threshold = 0;
  bool anew = false;
  ShareOptions share;
};

/// `emotion_data preview`: the pixels a run sees, as PNG.
struct PreviewOptions {
  std::string data, split = "val", config, out;
  std::vector<std::string> settings;
  std::uint64_t count = 64;
};

/// `emotion_data bench`: how fast the loader is.
struct BenchOptions {
  std::string data, split = "train", config;
  std::vector<std::string> settings;
  double seconds = 10;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_data_import(const emotion::ImportOptions& options);
EMOTION_COMMAND void emotion_data_verify(const emotion::VerifyOptions& options);
EMOTION_COMMAND void emotion_data_stats(const emotion::StatsOptions& options);
EMOTION_COMMAND void emotion_data_synth(const emotion::SynthOptions& options);
EMOTION_COMMAND void emotion_data_regions(const emotion::RegionsOptions& options);
EMOTION_COMMAND void emotion_data_faces(const emotion::FacesOptions& options);
EMOTION_COMMAND void emotion_data_preview(const emotion::PreviewOptions& options);
EMOTION_COMMAND void emotion_data_bench(const emotion::BenchOptions& options);
