#include "emotion/data/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "decode_jpeg.h"
#include "emotion/config/run_config.h"
#include "emotion/data/decode.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/io/tar.h"
#include "emotion/random.h"
#include "resize_box.h"

namespace emotion {
namespace {

constexpr std::uint64_t kAugmentStream = 0x617567;  // tells these draws from all others of the same seed

/// torchvision's RandomResizedCrop: 10 tries of an area and a shape, then the largest centred part of an allowed shape.
Region random_resized_crop(const Transform& t, int width, int height, Random& random) {
  const double area = static_cast<double>(width) * height, low = std::log(t.ratio[0]), high = std::log(t.ratio[1]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(t.scale[0], t.scale[1]);
    const double ratio = std::exp(random.uniform(low, high));
    const int w = static_cast<int>(std::nearbyint(std::sqrt(target * ratio))),
              h = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
    if (w <= 0 || h <= 0 || w > width || h > height) continue;
    const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(height - h + 1)));
    const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(width - w + 1)));
    return {x, y, w, h};
  }
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < t.ratio[0]) h = static_cast<int>(std::nearbyint(w / t.ratio[0]));
  if (ratio > t.ratio[1]) w = static_cast<int>(std::nearbyint(h * t.ratio[1]));
  return {(width - w) / 2, (height - h) / 2, w, h};
}

Image crop_to_box(const Image& image, const std::array<float, 4>& box, const std::filesystem::path& file) {
  const auto within = box_within(box, image.width, image.height);
  if (!within) throw DataError(file.string() + ": the sample's box lies outside the picture");
  const auto& [left, top, right, bottom] = *within;
  return crop_image(image, left, top, right - left, bottom - top);
}

/// A line of pixels, its width made hundreds, is larger than memory.
void check_resized(const Image& image, int side, const std::filesystem::path& file) {
  const std::int64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const std::int64_t pixels = std::int64_t{side} * side * longer / shorter;
  if (pixels > std::int64_t{1} << 28) {
    throw DataError(file.string() + ": " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                    " pixels: too long for its width; with data.resize " + std::to_string(side) + " it would have " +
                    std::to_string(pixels) + " pixels, at most 2^28 are possible");
  }
}

/// torchvision's CenterCrop: the offset is rounded, half to even.
Image center_crop(const Image& image, int size) {
  const auto offset = [size](int length) {
    return length >= size ? static_cast<int>(std::nearbyint((length - size) / 2.0)) : -((size - length) / 2);
  };
  return crop_image(image, offset(image.width), offset(image.height), size, size);
}

/// What is cropped after resizing.
Image crop_resized(const Image& image, const Transform& t, Random& random, const std::filesystem::path& file) {
  if (t.crop == Crop::kNone) return image;
  if (t.crop == Crop::kCenter) return center_crop(image, t.size);
  if (image.width < t.size || image.height < t.size) {
    throw DataError(file.string() + ": " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                    " pixels are fewer than data.size " + std::to_string(t.size) + "; set data.resize");
  }
  const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(image.width - t.size + 1)));
  const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(image.height - t.size + 1)));
  return crop_image(image, x, y, t.size, t.size);
}

/// The crop and size of a whole picture.
Image crop_picture(const Image& image, const Transform& t, Random& random, const std::filesystem::path& file) {
  if (t.crop == Crop::kRandomResized) {
    const Region part = random_resized_crop(t, image.width, image.height, random);
    return resize_image(crop_image(image, part.x, part.y, part.width, part.height), t.size, t.size);
  }
  if (t.resize > 0) {
    check_resized(image, t.resize, file);
    return crop_resized(resize_shorter(image, t.resize), t, random, file);
  }
  return crop_resized(image, t, random, file);
}

/// From a file: of a JPEG that is cropped at random, the crop alone is decoded.
Image load_cropped(const std::filesystem::path& file, const Transform& t, const std::optional<std::array<float, 4>>& box,
                   Random& random) {
  const std::string text = read_file_or_member(file);
  const auto bytes = std::as_bytes(std::span(text));
  if (t.crop == Crop::kRandomResized && !box && is_jpeg(bytes)) {
    const ScaledRegion region = decode_jpeg_region(
        bytes, file, t.size, [&](int width, int height) { return random_resized_crop(t, width, height, random); });
    return resize_box(region.image, region.box, t.size, t.size);
  }
  const Image image = decode_image(bytes, file);
  return crop_picture(box ? crop_to_box(image, *box, file) : image, t, random, file);
}

/// The draws of one sample: whether it is mirrored comes first, so that it does not hang on how many tries a crop takes.
struct Draws {
  explicit Draws(const DrawKey& key)
      : random{key.seed, key.epoch, key.sample, kAugmentStream}, mirrored(random.uniform() < 0.5) {}
  Random random;
  bool mirrored;
};

}  // namespace

std::optional<std::array<int, 4>> box_within(const std::array<float, 4>& box, int width, int height) {
  // Clamped before they become int: a manifest's numbers may be larger than one holds.
  const auto pixel = [](float value, int most) {
    return static_cast<int>(std::clamp(static_cast<double>(value), 0.0, static_cast<double>(most)));
  };
  const int left = pixel(std::floor(box[0]), width), top = pixel(std::floor(box[1]), height),
            right = pixel(std::ceil(box[0] + box[2]), width), bottom = pixel(std::ceil(box[1] + box[3]), height);
  if (left >= right || top >= bottom) return std::nullopt;
  return std::array{left, top, right, bottom};
}

Crop parse_crop(std::string_view name) {
  if (name == "none") return Crop::kNone;
  if (name == "center_crop") return Crop::kCenter;
  if (name == "random_crop") return Crop::kRandom;
  if (name == "random_resized_crop") return Crop::kRandomResized;
  throw ConfigError("augment '" + std::string(name) + "' is not known; none, center_crop, random_crop or random_resized_crop");
}

Transform Transform::deterministic() const {
  Transform t = *this;
  t.flip = false;
  if (t.crop != Crop::kNone) t.crop = Crop::kCenter;
  return t;
}

Transform make_transform(const DataConfig& config) {
  return {.resize = config.resize,
          .size = config.size,
          .crop = parse_crop(config.augment),
          .flip = config.flip,
          .scale = config.scale,
          .ratio = config.ratio};
}

Image transform_picture(const Image& picture, const Transform& transform, const DrawKey& key,
                        const std::optional<std::array<float, 4>>& box, const std::filesystem::path& file) {
  Draws draws(key);
  return box ? crop_picture(crop_to_box(picture, *box, file), transform, draws.random, file)
             : crop_picture(picture, transform, draws.random, file);
}

Image load_image(const std::filesystem::path& file, const Transform& transform, const DrawKey& key,
                 const std::optional<std::array<float, 4>>& box) {
  Draws draws(key);
  return load_cropped(file, transform, box, draws.random);
}

bool is_mirrored(const Transform& transform, const DrawKey& key) { return transform.flip && Draws(key).mirrored; }

}  // namespace emotion
