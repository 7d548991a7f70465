#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "detector_weights.h"
#include "emotion/train/detector_model.h"
#include "networks.h"

namespace emotion {

/// Writes a detector of a few channels that finds something in any picture.
inline void write_tiny_detector(const std::filesystem::path& file, const std::vector<std::string>& classes) {
  const RunConfig config = parse_run_config(
      "task: detector\ndata: {train: {dataset: gone, split: train}}\nmodel: {backbone: resnet18, detector: {min_size: 64, "
      "max_size: 96, anchor_size: 8, channels: 8, head: 16, score_threshold: 0}}\n",
      "test");
  FasterRCNN network(faster_rcnn_options(config, static_cast<std::int64_t>(classes.size())));
  fill_detector(*network);
  write_network(file, *network, {.task = "detector", .config = print_run_config(config), .classes = classes});
}

}  // namespace emotion
