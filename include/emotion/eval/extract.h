#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "emotion/data/loader.h"
#include "emotion/data/manifest.h"
#include "emotion/loss/metrics.h"
#include "emotion/stimuli/faces.h"
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

/// For those who need every sample: a loader that skips (OnError::kSkip) tells which picture is broken, this what to do about it.
/// @throws DataError if it has skipped any
void refuse_broken(const ImageLoader& loader, const Manifest& manifest);

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

/// One picture as a batch, float [1, 3, h, w] on the device.
at::Tensor picture_batch(const Device& device, const Image& picture);

/// The largest face of a picture, aligned, grey in all three channels: what emotion_data faces writes with the finder's
/// options.
std::optional<Image> largest_face(FaceFinder& finder, const Image& picture);

/// Pictures that no data set knows, as a network sees them: whole, or (data.picture: face) their largest face.
class LoosePictures {
 public:
  explicit LoosePictures(const VisualModel& model);
  /// Nothing where the network sees faces and the picture has none. @throws DataError; WeightsError without the face models
  std::optional<Image> load(const std::filesystem::path& file);

 private:
  Transform transform_;
  bool faces_;
  std::optional<FaceFinder> finder_;  // made for the first picture: it reads 100 MB
};

/// A folder's pictures name no faces. @throws DataError saying so, for a network of faces
void check_sees_whole_pictures(const VisualModel& model, const std::filesystem::path& folder);

/// A manifest over the images below a folder, sorted by path. `scratch` is a folder for it, removed by the caller.
/// @throws DataError: no picture in it; a name that is not UTF-8
Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch);

}  // namespace emotion
