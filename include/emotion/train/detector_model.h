#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/annotations.h"
#include "emotion/data/manifest.h"
#include "emotion/stimuli/faster_rcnn.h"
#include "emotion/train/device.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// What a config makes of the network.
FasterRCNNOptions faster_rcnn_options(const RunConfig& config, std::int64_t classes);

/// A detector ready to find regions.
struct TrainedDetector {
  std::shared_ptr<RegionDetector> network;
  std::vector<std::string> classes, attributes;  ///< of Detections::labels and attributes
  RunConfig config;
  std::vector<std::string> changed;  ///< key=value: what `settings` made other than the weights' own config has it
  std::filesystem::path file;
};

/// checkpoint: a run of `task: detector`, its model.safetensors, a plain torchvision fasterrcnn_*_fpn state_dict (.pth or
/// .safetensors; the backbone and the widths are read from its shapes; 91 classes are COCO's), or bottom-up attention's weights
/// as airsplay's or MILVLG's detectron2 names them. `settings` override the config; those of bottom-up attention are
/// model.detector.{min_size, max_size, proposals, nms_threshold, score_threshold, detections}.
/// @throws WeightsError, ConfigError
TrainedDetector load_detector(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                              const Device& device);

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

/// COCO's metrics of a split: AP, AP50, AP75, AP_small, AP_medium, AP_large, AR1, AR10, AR100 (those that are defined), then
/// `class NAME` -> AP where `per_class`. The network must be in evaluation mode.
///
/// Batch b is detected by rank b mod w of the group's w processes, and all that was found is judged on rank 0 in the order of the
/// samples: the metrics are those of one process with the same batch, to the bit, and with another one up to rounding. Rank 0
/// gets them, the others none; nothing on all of them if any was asked to stop meanwhile.
/// @throws DataError as load_pictures(), PeerLost
std::optional<std::vector<std::pair<std::string, double>>> evaluate_detector(RegionDetector& network, const Manifest& manifest,
                                                                             const Annotations& annotations, const Device& device,
                                                                             std::size_t batch, ProcessGroup& group,
                                                                             bool per_class = false);

}  // namespace emotion
