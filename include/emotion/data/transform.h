#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "emotion/data/image.h"

namespace emotion {

/// Which part of the picture a sample shows.
enum class Crop { kNone, kCenter, kRandom, kRandomResized };

/// @throws ConfigError listing none, center_crop, random_crop, random_resized_crop
Crop parse_crop(std::string_view name);

struct DataConfig;

/// From stored pixels to a network's input, still 8-bit RGB. Defaults are the papers' (design of EmotionNet).
struct Transform {
  int resize = 256;  ///< shorter side in pixels before cropping; 0 = as stored. Unused by kRandomResized
  int size = 224;    ///< side of the square output in pixels; unused by kNone
  Crop crop = Crop::kRandomResized;
  bool flip = true;                               ///< shown mirrored with probability 1/2: is_mirrored()
  std::array<double, 2> scale{0.08, 1.0};         ///< kRandomResized: fraction of the area
  std::array<double, 2> ratio{3.0 / 4, 4.0 / 3};  ///< kRandomResized: width / height
  /// The same without chance: what validation uses (resize, then centre crop; kNone stays kNone).
  Transform deterministic() const;
};

/// What of a sample's box (x, y, width, height) lies in a picture of that size, by whole pixels: left, top, right, bottom.
/// Nothing where the box lies outside.
std::optional<std::array<int, 4>> box_within(const std::array<float, 4>& box, int width, int height);

/// The training transform of a config. @throws ConfigError
Transform make_transform(const DataConfig& config);

/// Names the draws of one sample in one epoch: nothing else decides them.
struct DrawKey {
  std::uint64_t seed = 0, epoch = 0, sample = 0;
};

/// Whether a run shows that sample mirrored. Its pixels come as they are; Device::pixels() mirrors, a batch at a time.
bool is_mirrored(const Transform& transform, const DrawKey& key);

/// The transform of one picture that is decoded, not mirrored. `file` is for errors. @throws DataError
Image transform_picture(const Image& picture, const Transform& transform, const DrawKey& key,
                        const std::optional<std::array<float, 4>>& box, const std::filesystem::path& file);

/// Loads and transforms one image, not mirrored: what a worker does. @throws DataError naming the file
Image load_image(const std::filesystem::path& file, const Transform& transform, const DrawKey& key,
                 const std::optional<std::array<float, 4>>& box = std::nullopt);

}  // namespace emotion
