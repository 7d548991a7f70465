#include "emotion/train/detector_pictures.h"

#include <functional>
#include <utility>

#include <ATen/Parallel.h>

#include "emotion/data/loader.h"
#include "emotion/error.h"

namespace emotion {

std::vector<at::Tensor> load_pictures(const Manifest& manifest, const std::vector<std::uint64_t>& samples) {
  std::vector<at::Tensor> pictures(samples.size());
  at::parallel_for(0, static_cast<std::int64_t>(samples.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t sample = samples[static_cast<std::size_t>(i)];
      try {
        const Transform as_stored{.resize = 0, .crop = Crop::kNone, .flip = false};
        pictures[static_cast<std::size_t>(i)] = picture_tensor(load_image(manifest.image_path(sample), as_stored, {}));
      } catch (const Error& error) {
        throw DataError(manifest.place(sample) + ": " + error.what());
      }
    }
  });
  return pictures;
}

std::vector<at::Tensor> PictureReader::read(const std::vector<std::uint64_t>& samples, std::vector<std::uint64_t> next) {
  const bool known = pictures_.valid() && ahead_ == samples;
  auto pictures = known ? pictures_.get() : load_pictures(manifest_, samples);
  pictures_ = {};
  if (!next.empty()) pictures_ = std::async(std::launch::async, load_pictures, std::cref(manifest_), next);
  ahead_ = std::move(next);
  return pictures;
}

DetectorInput move_input(DetectorInput input, const Device& device, bool channels_last) {
  if (channels_last) input.images = input.images.contiguous(at::MemoryFormat::ChannelsLast);
  input.images = device.move(input.images);
  return input;
}

}  // namespace emotion
