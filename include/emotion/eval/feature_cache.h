#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "emotion/data/manifest.h"
#include "emotion/eval/picture_view.h"
#include "emotion/train/visual_model.h"

namespace emotion {

struct FeatureOptions {
  std::filesystem::path cache;  ///< folder of kept features, made where it is missing; empty: nothing is kept
  int views = 0;                ///< 0: one view without chance; N: N augmented views of every sample, for training
  PictureView view;             ///< with `views`, view.transform is the training transform
};

/// Features of a split, float [max(views, 1), n, D] on the CPU, n samples_in_view in manifest order; read-only where they come
/// from the cache.
///
/// A kept file is used if the weights' content, the pictures (their names, boxes, sizes and times), the transform and the
/// program are those it was made with; otherwise it is computed again, and the log says what has changed. It is written whole
/// or not at all and under a lock: of two processes that want the same features, one computes them and the other waits. A
/// folder that cannot be written costs a warning.
/// @throws DataError for a broken image, Interrupted
at::Tensor split_features(const VisualModel& model, const Device& device, const Manifest& manifest,
                          const FeatureOptions& options);

/// What the features of a split depend on, by name: the content of the weights, the pictures, the transform, the program.
std::map<std::string, std::string> feature_key(const VisualModel& model, const Manifest& manifest, const FeatureOptions& options);

/// A digest of the names, boxes, sizes and times of the pictures a view shows. A packed set is asked for its shards, each once.
std::string pictures_hash(const Manifest& manifest, const PictureView& view);

/// $XDG_CACHE_HOME/emotion/features, or ~/.cache/emotion/features; empty if neither variable is set.
std::filesystem::path default_feature_cache();

}  // namespace emotion
