#pragma once

#include <functional>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/train/visual_model.h"

namespace emotion {

/// Runs a network over a whole split in manifest order. `each` gets the sample numbers of a batch and its features, float [n, D].
/// @throws DataError for a broken image, Interrupted
void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each);

/// Features of a whole split, float [n, D] on the CPU; row order = manifest order.
at::Tensor extract_features(const VisualModel& model, const Device& device, const Manifest& manifest, int batch = 64,
                            int workers = 0);

/// A manifest over the images below a folder, sorted by path. `scratch` is a folder for it, removed by the caller.
Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch);

}  // namespace emotion
