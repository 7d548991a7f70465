#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/data/image.h"
#include "emotion/stimuli/boxes.h"

namespace emotion {

/// What a detector does to a picture before its first layer.
struct DetectorTransform {
  std::int64_t min_size = 800, max_size = 1333;  ///< shorter side becomes min_size, unless the longer one would pass max_size
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F}, std{0.229F, 0.224F, 0.225F};  ///< of values 0 .. 1, in channel order
  bool caffe = false;  ///< BGR 0 .. 255 minus `mean`, sizes rounded; else RGB 0 .. 1, sizes truncated as torchvision does
  std::int64_t divisible = 32;  ///< the batch is padded with zeros to a multiple of this
};

/// A batch of pictures as the network sees it.
struct DetectorInput {
  at::Tensor images;                       ///< float [B, 3, H, W], padded
  std::vector<ImageSize> sizes, original;  ///< of each picture in the batch, and as it was
};

/// Pictures of a batch that are padded to the same size when each is alone.
struct AlikePictures {
  std::vector<std::size_t> places;  ///< in the batch, rising
  DetectorInput input;              ///< of these alone, padded no further than that
};

/// How many times larger a picture becomes.
double resize_scale(const ImageSize& size, const DetectorTransform& transform);

/// Size of a picture after the transform; at least 1 x 1.
ImageSize resized(const ImageSize& size, const DetectorTransform& transform);

/// uint8 RGB [H, W, 3] (or float RGB [3, H, W] of 0 .. 1) -> normalised float [3, h, w], bilinear without antialiasing
at::Tensor detector_pixels(const at::Tensor& picture, const DetectorTransform& transform);

/// Pads transformed pictures to one size. `original`: their sizes before.
DetectorInput batch_pictures(const std::vector<at::Tensor>& pictures, const std::vector<ImageSize>& original,
                             std::int64_t divisible);

/// detector_pixels() of each, then batch_pictures(). @throws DataError for no picture at all
DetectorInput detector_input(const std::vector<at::Tensor>& pictures, const DetectorTransform& transform);

/// A batch in parts, the part of its first picture first. A network's biases fill the padding with more than zeros, so that a
/// picture is seen differently beside a larger one; in its part it is seen as it is alone.
/// @param input  as batch_pictures() pads it, with the same `divisible`
std::vector<AlikePictures> alike_pictures(const DetectorInput& input, std::int64_t divisible);

/// The pixels of an image as uint8 [H, W, 3]; the tensor owns a copy.
at::Tensor picture_tensor(const Image& image);

}  // namespace emotion
