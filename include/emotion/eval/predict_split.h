#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emotion/eval/picture_view.h"
#include "emotion/loss/metrics.h"

namespace emotion {

/// What a network predicts of a split, and the manifest's number of each row: not every sample has the picture it reads.
struct SplitPredictions {
  Predictions predictions;
  std::vector<std::uint64_t> samples;
};

/// The scores that `scores` makes of the features of what a view shows, and the labels of those samples. `predictions`: without
/// scores yet, with the labels of the whole split.
SplitPredictions predict_pictures(const VisualModel& model, const Device& device, const Manifest& manifest,
                                  const PictureView& view, Predictions predictions,
                                  const std::function<at::Tensor(const at::Tensor&)>& scores);

}  // namespace emotion
