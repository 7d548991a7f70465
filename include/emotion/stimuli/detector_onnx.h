#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "emotion/stimuli/faster_rcnn.h"

namespace emotion {

/// Writes a detector for inference as ONNX (opset 17): what detect() computes, from transformed pictures to regions with their
/// features. The operators for boxes are the standard's: NonMaxSuppression, RoiAlign or MaxRoiPool, TopK.
///
/// Faster R-CNN. Inputs: `images` float [batch, 3, height, width], sides multiples of 32 (see DetectorInput); `sizes` int64
/// [batch, 2], height and width of each picture in them. A graph cannot part a batch as detect() does: one that holds no picture
/// padded further than it would be alone finds the same. Outputs, pictures in order and the best regions of each first: `boxes`
/// float [regions, 4], pixels of `images`; `scores` float [regions]; `labels` int64 [regions], indices into the list of classes;
/// `pictures` int64 [regions], rows of `images`; `features` float [regions, F].
///
/// Bottom-up attention. One picture: `images` float [1, 3, height, width], any sides; `scale` float [1], how many times larger
/// than the original it is: regions suppress each other in pixels of that. Outputs `boxes`, `scores`, `labels`, `features`, and
/// `attributes` int64 [regions] if it has them.
///
/// `metadata` goes into the file's metadata_props. The network is not changed. @throws RunError, WeightsError
void write_onnx_detector(const std::filesystem::path& file, const RegionDetector& network,
                         const std::map<std::string, std::string>& metadata);

}  // namespace emotion
