#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/random.h"
#include "emotion/stimuli/faster_rcnn.h"

namespace emotion {

/// What is in one picture of a batch.
struct DetectionTarget {
  at::Tensor boxes;   ///< float [n, 4], pixels of the batch, sides above 0; n may be 0
  at::Tensor labels;  ///< int64 [n], positions in the list of classes, background not counted
};

/// Which candidates count (Ren et al., 2015, Sec. 3.1.2, 3.2); the defaults are torchvision's.
struct DetectionLossOptions {
  std::int64_t proposal_samples = 256;             ///< anchors of a picture that count in the proposal losses
  double proposal_positives = 0.5;                 ///< at most this part of them are objects
  double proposal_high = 0.7, proposal_low = 0.3;  ///< overlap of an object, of background; between them an anchor is left out
  std::int64_t box_samples = 512;                  ///< proposals of a picture that count in the box head's losses
  double box_positives = 0.25;
  double box_overlap = 0.5;
};

struct DetectionLoss {
  at::Tensor total;
  at::Tensor classification, box;       ///< of the box head: cross-entropy, smooth L1
  at::Tensor objectness, proposal_box;  ///< of the proposal network: binary cross-entropy, smooth L1
};

/// The truth each candidate belongs to: overlaps [G, N] (box_iou) -> int64 [N]: its number, -1 below `low`, -2 between the two.
/// `keep_best`: the candidates that overlap a truth most belong to something, however little it is.
at::Tensor match_boxes(const at::Tensor& overlaps, double high, double low, bool keep_best);

/// Rows of candidates that count, ascending: labels int64 [N] (above 0 an object, 0 background, below 0 neither).
at::Tensor sample_candidates(const at::Tensor& labels, std::int64_t samples, double positives, Random& random);

/// The four losses of Faster R-CNN in training mode. `draws`: one stream of random numbers a picture, for the samples.
DetectionLoss detection_loss(FasterRCNNImpl& network, const DetectorInput& input, const std::vector<DetectionTarget>& targets,
                             const DetectionLossOptions& options, std::span<Random> draws);

}  // namespace emotion
