#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/eval/picture_view.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// The features of a split, before they are computed: a row a sample.
struct FeatureRows {
  std::vector<std::uint64_t> samples;      ///< of the manifest, in the order of the rows
  std::int64_t dimension = 0;              ///< D
  std::map<std::string, std::string> key;  ///< what decides the values: the same key, the same rows
  /// Computes the rows of some samples; calls its last argument with float [n, D], in their order.
  std::function<void(const std::vector<std::uint64_t>&, const std::function<void(const at::Tensor&)>&)> compute;
};

/// After global pooling, under the network's own evaluation view. The arguments must outlive the result.
FeatureRows feature_rows(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view);
/// v_emo of Eq 12.
FeatureRows feature_rows(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest, int batch, int workers);

/// All rows, float [n, D] on the CPU of rank 0; the other processes get an undefined tensor.
///
/// The rows are made in pieces of `piece` rows, each by one process and each once: a piece that is done stays in `folder` until
/// all are, so that a run that was stopped or killed goes on there. Processes on several hosts need the folder on a file system
/// they share. A folder of another key begins anew.
/// @throws DataError for a broken image, Interrupted, RunError (disk)
at::Tensor shared_features(const FeatureRows& rows, std::uint64_t piece, const std::filesystem::path& folder,
                           ProcessGroup& group);

}  // namespace emotion
