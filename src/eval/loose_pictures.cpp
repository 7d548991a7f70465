#include "emotion/eval/loose_pictures.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/loader.h"
#include "emotion/error.h"

namespace emotion {

at::Tensor picture_batch(const Device& device, const Image& picture) {
  ImageBatch batch{.samples = {0}, .width = picture.width, .height = picture.height, .pixels = {}};
  batch.pixels = std::make_shared<std::uint8_t[]>(picture.pixels.size());
  std::copy(picture.pixels.begin(), picture.pixels.end(), batch.pixels.get());
  return device.images(batch);
}

std::optional<Image> largest_face(FaceFinder& finder, const Image& picture) {
  const auto face = finder.largest(picture);
  if (!face) return std::nullopt;
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(face->pixels.size()))));
  Image image{side, side, {}};
  for (const std::uint8_t grey : face->pixels) image.pixels.insert(image.pixels.end(), {grey, grey, grey});
  return image;
}

LoosePictures::LoosePictures(const VisualModel& model)
    : transform_(model.transform()), faces_(model.config().data.picture == "face") {}

std::optional<Image> LoosePictures::load(const std::filesystem::path& file) {
  if (!faces_) return load_image(file, transform_, {});
  if (!finder_) finder_.emplace(FaceOptions{});
  const auto face = largest_face(*finder_, decode_image(file));
  return face ? std::optional(transform_picture(*face, transform_, {}, std::nullopt, file)) : std::nullopt;
}

void check_sees_whole_pictures(const VisualModel& model, const std::filesystem::path& folder) {
  if (model.config().data.picture != "face") return;
  throw DataError(
      fmt::format("{}: {} sees faces (data.picture), which a folder of pictures does not name; make a data set of it "
                  "(emotion_data import) and find them with emotion_data faces",
                  folder.string(), model.file().string()));
}

}  // namespace emotion
