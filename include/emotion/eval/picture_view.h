#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/data/transform.h"
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
/// @throws DataError for a broken image, with how to find all such; Interrupted
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

/// Features of a whole split, float [n, D] on the CPU; row order = manifest order.
at::Tensor extract_features(const VisualModel& model, const Device& device, const Manifest& manifest, int batch = 64,
                            int workers = 0);

}  // namespace emotion
