#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/annotations.h"
#include "emotion/data/manifest.h"
#include "emotion/stimuli/faster_rcnn.h"
#include "emotion/train/device.h"

namespace emotion {

/// What a config makes of the network.
FasterRCNNOptions faster_rcnn_options(const RunConfig& config, std::int64_t classes);

/// A detector ready to find regions.
struct TrainedDetector {
  std::shared_ptr<RegionDetector> network;
  std::vector<std::string> classes, attributes;  ///< of Detections::labels and attributes
  RunConfig config;
  std::filesystem::path file;
};

/// checkpoint: a run of `task: detector`, its model.safetensors, a plain torchvision fasterrcnn_*_fpn state_dict (.pth or
/// .safetensors; the backbone and the widths are read from its shapes; 91 classes are COCO's), or bottom-up attention's weights
/// as airsplay's or MILVLG's detectron2 names them. `settings` override the config.
/// @throws WeightsError
TrainedDetector load_detector(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                              const Device& device);

/// Pictures of samples, decoded on LibTorch's threads: uint8 [H, W, 3] each.
/// @throws DataError at the place of the first that cannot be decoded
std::vector<at::Tensor> load_pictures(const Manifest& manifest, const std::vector<std::uint64_t>& samples);

/// Brings a batch to the device, with the network's memory order.
DetectorInput move_input(DetectorInput input, const Device& device, bool channels_last);

/// COCO's metrics of a split: AP, AP50, AP75, AP_small, AP_medium, AP_large, AR1, AR10, AR100 (those that are defined), then
/// `class NAME` -> AP where `per_class`. The network must be in evaluation mode. Empty if a stop was asked for meanwhile.
std::vector<std::pair<std::string, double>> evaluate_detector(RegionDetector& network, const Manifest& manifest,
                                                              const Annotations& annotations, const Device& device,
                                                              std::size_t batch, bool per_class = false);

}  // namespace emotion
