#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/io/weights.h"
#include "emotion/stimuli/faster_rcnn.h"
#include "emotion/train/device.h"

namespace emotion {

/// What a config makes of the network.
FasterRCNNOptions faster_rcnn_options(const RunConfig& config, std::int64_t classes);

/// True for a plain state_dict that may be torchvision's COCO_V1, saved again under today's names: 91 classes and frozen norms.
/// Those weights want model.detector.norm_eps 0, which nothing in such a file tells.
bool may_be_saved_coco(const StateDict& state);

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

}  // namespace emotion
