#pragma once

#include <filesystem>
#include <optional>

#include "emotion/data/image.h"
#include "emotion/data/transform.h"
#include "emotion/stimuli/faces.h"
#include "emotion/train/visual_model.h"

namespace emotion {

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

}  // namespace emotion
