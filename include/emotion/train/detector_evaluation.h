#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emotion/data/annotations.h"
#include "emotion/data/manifest.h"
#include "emotion/stimuli/faster_rcnn.h"
#include "emotion/train/device.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// COCO's metrics of a split, those that are defined.
struct DetectorMetrics {
  std::vector<std::pair<std::string, double>> values;    ///< AP, AP50, AP75, AP_small, AP_medium, AP_large, AR1, AR10, AR100
  std::vector<std::pair<std::string, double>> class_ap;  ///< AP of each class, by its name
  bool operator==(const DetectorMetrics&) const = default;
};

/// What a detector finds in the pictures of a split, judged by their annotations. The network must be in evaluation mode.
///
/// Batch b is detected by rank b mod w of the group's w processes, and all that was found is judged on rank 0 in the order of the
/// samples: the metrics are those of one process with the same batch, to the bit, and with another one up to rounding. Rank 0
/// gets them, the others none; nothing on all of them if any was asked to stop meanwhile.
/// @throws DataError as load_pictures() and Annotations::check_size(), PeerLost
std::optional<DetectorMetrics> evaluate_detector(RegionDetector& network, const Manifest& manifest,
                                                 const Annotations& annotations, const Device& device, std::size_t batch,
                                                 ProcessGroup& group);

}  // namespace emotion
