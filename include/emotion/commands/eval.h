#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

/// What every command that runs a trained network takes.
struct CheckpointOptions {
  std::string checkpoint, device = "auto";
  std::vector<std::string> settings;
  int batch = 64, workers = 0;
};

struct EvalOptions : CheckpointOptions {
  std::string data, split, output;
  std::string compare;   ///< a second checkpoint for McNemar's test
  int bootstrap = 1000;  ///< resamples; 0 = no intervals
  std::uint64_t seed = 1;
  bool zero_shot = false;  ///< cosine with the classes' words, nothing trained; by word2vec or textcnn
  std::string word2vec, textcnn, synonyms;
  bool crop_box = false;  ///< the sample's box is the picture (EMOTIC-B)
};

struct ProbeCommand : CheckpointOptions {
  std::string config, data, train_split, validation_split, test_split, output;
  std::string cache;         ///< empty: the default folder
  bool no_cache = false;     ///< features are not kept
  bool batch_given = false;  ///< `batch` is train.batch of a fine-tuning too
  /// Flags that were given: each sets the key of its name in the probe section, over the config and `settings`.
  std::optional<std::string> method, solver, targets;
  std::optional<double> C, lr, fraction;
  std::optional<int> epochs, epoch_samples, k, seeds, folds, views;
  std::optional<std::uint64_t> seed;
  std::vector<double> sweep;
  bool one_vs_all = false, crop_box = false;
};

struct ExtractOptions : CheckpointOptions {
  std::string data, split = "train", out;
  ShareOptions share;
};

struct PredictOptions : CheckpointOptions {
  std::vector<std::string> inputs;
  std::string json, report, pictures, split;
  std::string detector;                        ///< of regions in loose pictures; stimuli networks alone
  std::vector<std::string> detector_settings;  ///< key=value, over the detector's own config
  /// How faces are found in loose pictures, likewise. What is not given is as it was when the network's faces were found.
  std::optional<int> face_size, face_upsample, face_max_side;
  std::optional<double> face_padding, face_threshold;
  std::string face_landmarks, face_cnn;
  int top = 5;
  std::uint64_t count = 0;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_eval(const emotion::EvalOptions& options);
EMOTION_COMMAND void emotion_probe(const emotion::ProbeCommand& options);
EMOTION_COMMAND void emotion_extract(const emotion::ExtractOptions& options);
EMOTION_COMMAND void emotion_predict(const emotion::PredictOptions& options);
