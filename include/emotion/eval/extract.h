#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/visual_model.h"

namespace emotion {

/// How the pictures of a split become a network's input.
struct PictureView {
  Transform transform;
  bool crop_box = false;   ///< the sample's box is the picture (EMOTIC-B); samples without one stay whole
  bool faces = false;      ///< the sample's face is the picture; samples without one are left out
  std::uint64_t seed = 1;  ///< of augmentation, with `view`
  std::uint64_t view = 0;
  int batch = 64, workers = 0;
};

/// The samples that a view shows, in manifest order: with `faces` those that have one.
/// @throws DataError if there is none
std::vector<std::uint64_t> samples_in_view(const Manifest& manifest, const PictureView& view);

/// Warns of samples without a box. @throws DataError if no sample has one
void check_boxes(const Manifest& manifest);

/// Runs a network over a whole split in manifest order. `each` gets the sample numbers of a batch and its features, float [n, D].
/// @throws DataError for a broken image, Interrupted
void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each);
/// The same for some samples of the view, in their order.
void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view,
                    const std::vector<std::uint64_t>& samples,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each);
/// What the network is evaluated with: its own transform; one of faces (data.picture: face) sees faces.
PictureView evaluation_view(const VisualModel& model, int batch, int workers);
/// The same with that view.
void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each);

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

/// Features of a whole split, float [n, D] on the CPU; row order = manifest order.
at::Tensor extract_features(const VisualModel& model, const Device& device, const Manifest& manifest, int batch = 64,
                            int workers = 0);

/// Features of one picture file, float [1, D] on the CPU. @throws DataError
at::Tensor extract_file(const VisualModel& model, const Device& device, const std::filesystem::path& file);

/// A manifest over the images below a folder, sorted by path. `scratch` is a folder for it, removed by the caller.
Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch);

}  // namespace emotion
