#include "emotion/stimuli/detector_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>

#include "emotion/error.h"

namespace emotion {
namespace {

ImageSize padded(const ImageSize& size, std::int64_t divisible) {
  const auto up = [&](std::int64_t length) { return (length + divisible - 1) / divisible * divisible; };
  return {up(size.height), up(size.width)};
}

}  // namespace

double resize_scale(const ImageSize& size, const DetectorTransform& transform) {
  const auto shorter = static_cast<double>(std::min(size.height, size.width));
  const auto longer = static_cast<double>(std::max(size.height, size.width));
  return std::min(static_cast<double>(transform.min_size) / shorter, static_cast<double>(transform.max_size) / longer);
}

ImageSize resized(const ImageSize& size, const DetectorTransform& transform) {
  const double scale = resize_scale(size, transform);
  const auto side = [&](std::int64_t length) {
    const double exact = static_cast<double>(length) * scale;
    return std::max<std::int64_t>(static_cast<std::int64_t>(transform.caffe ? std::nearbyint(exact) : std::floor(exact)), 1);
  };
  return {side(size.height), side(size.width)};
}

at::Tensor picture_tensor(const Image& image) {
  at::Tensor pixels = at::empty({image.height, image.width, 3}, at::kByte);
  std::memcpy(pixels.data_ptr<std::uint8_t>(), image.pixels.data(), image.pixels.size());
  return pixels;
}

at::Tensor detector_pixels(const at::Tensor& picture, const DetectorTransform& transform) {
  const bool bytes = picture.scalar_type() == at::kByte;
  at::Tensor x = bytes ? picture.permute({2, 0, 1}).to(at::kFloat) : picture;
  const ImageSize size = resized({x.size(1), x.size(2)}, transform);
  const auto channels = [&](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, x.options()).view({3, 1, 1});
  };
  if (transform.caffe) {
    x = (bytes ? x : x * 255).flip({0}) - channels(transform.mean);
  } else {
    x = ((bytes ? x.div_(255) : x) - channels(transform.mean)) / channels(transform.std);
  }
  return at::upsample_bilinear2d(x.unsqueeze(0).contiguous(), {size.height, size.width}, /*align_corners=*/false).squeeze(0);
}

DetectorInput batch_pictures(const std::vector<at::Tensor>& pictures, const std::vector<ImageSize>& original,
                             std::int64_t divisible) {
  if (pictures.empty()) throw DataError("a detector needs at least one picture");
  DetectorInput input{.images = {}, .sizes = {}, .original = original};
  ImageSize most;
  for (const at::Tensor& picture : pictures) {
    input.sizes.push_back({picture.size(1), picture.size(2)});
    most = {std::max(most.height, picture.size(1)), std::max(most.width, picture.size(2))};
  }
  most = padded(most, divisible);
  input.images = at::zeros({static_cast<std::int64_t>(pictures.size()), 3, most.height, most.width}, pictures[0].options());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const ImageSize& size = input.sizes[i];
    input.images[static_cast<std::int64_t>(i)].narrow(1, 0, size.height).narrow(2, 0, size.width).copy_(pictures[i]);
  }
  return input;
}

std::vector<AlikePictures> alike_pictures(const DetectorInput& input, std::int64_t divisible) {
  std::vector<AlikePictures> parts;
  std::vector<ImageSize> sizes;  // of each part
  for (std::size_t i = 0; i < input.sizes.size(); ++i) {
    const ImageSize size = padded(input.sizes[i], divisible);
    const auto part = static_cast<std::size_t>(std::find(sizes.begin(), sizes.end(), size) - sizes.begin());
    if (part == parts.size()) {
      parts.emplace_back();
      sizes.push_back(size);
    }
    parts[part].places.push_back(i);
    parts[part].input.sizes.push_back(input.sizes[i]);
    parts[part].input.original.push_back(input.original[i]);
  }
  const at::MemoryFormat format = input.images.suggest_memory_format();
  for (std::size_t k = 0; k < parts.size(); ++k) {
    std::vector<at::Tensor> pictures;
    for (const std::size_t i : parts[k].places)
      pictures.push_back(input.images[static_cast<std::int64_t>(i)].narrow(1, 0, sizes[k].height).narrow(2, 0, sizes[k].width));
    parts[k].input.images = parts.size() == 1 ? input.images : at::stack(pictures).contiguous(format);
  }
  return parts;
}

DetectorInput detector_input(const std::vector<at::Tensor>& pictures, const DetectorTransform& transform) {
  std::vector<at::Tensor> transformed;
  std::vector<ImageSize> original;
  for (const at::Tensor& picture : pictures) {
    const bool bytes = picture.scalar_type() == at::kByte;
    original.push_back({picture.size(bytes ? 0 : 1), picture.size(bytes ? 1 : 2)});
    transformed.push_back(detector_pixels(picture, transform));
  }
  return batch_pictures(transformed, original, transform.divisible);
}

}  // namespace emotion
