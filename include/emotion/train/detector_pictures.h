#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/detector_input.h"
#include "emotion/train/device.h"

namespace emotion {

/// Pictures of samples, decoded on LibTorch's threads: uint8 [H, W, 3] each.
/// @throws DataError at the place of the first that cannot be decoded
std::vector<at::Tensor> load_pictures(const Manifest& manifest, const std::vector<std::uint64_t>& samples);

/// Pictures of one batch after another: those of the next are decoded while the network is busy with these.
class PictureReader {
 public:
  /// `manifest` must outlive the reader.
  explicit PictureReader(const Manifest& manifest) : manifest_(manifest) {}
  /// load_pictures(samples). `next`: the samples of the call after this one; none where they are not known, and other ones may
  /// come then. @throws DataError as load_pictures(); never because of `next`
  std::vector<at::Tensor> read(const std::vector<std::uint64_t>& samples, std::vector<std::uint64_t> next);

 private:
  const Manifest& manifest_;
  std::vector<std::uint64_t> ahead_;               ///< what is being decoded
  std::future<std::vector<at::Tensor>> pictures_;  ///< of `ahead_`; waited for when the reader ends
};

/// Brings a batch to the device, with the network's memory order.
DetectorInput move_input(DetectorInput input, const Device& device, bool channels_last);

}  // namespace emotion
