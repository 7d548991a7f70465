#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace emotion {

/// A detection.
struct FoundBox {
  std::array<double, 4> box;  ///< x1 y1 x2 y2, pixels
  std::int64_t label;         ///< from 0
  double score;
};

/// An object of the ground truth.
struct TruthBox {
  std::array<double, 4> box;
  std::int64_t label;
  double area;         ///< of the object, pixels: decides small, medium, large
  bool crowd = false;  ///< a group: detections in it are neither right nor wrong
};

/// COCO's numbers; -1 where the ground truth has no object of that size, as pycocotools gives.
struct DetectionMetrics {
  double ap, ap50, ap75;                 ///< mean over classes, and overlaps .50 to .95
  double ap_small, ap_medium, ap_large;  ///< areas up to 32^2, up to 96^2, above
  double ar1, ar10, ar100;               ///< mean greatest recall with that many detections an image and class
  double ar_small, ar_medium, ar_large;
  std::vector<double> class_ap;  ///< as `ap`, of each class
};

/// Average precision and recall of boxes as COCO defines them (pycocotools' COCOeval, iouType bbox): 10 overlap thresholds, 101
/// recall points, at most 100 detections an image and class.
class DetectionEvaluation {
 public:
  explicit DetectionEvaluation(std::int64_t classes);
  ~DetectionEvaluation();
  DetectionEvaluation(const DetectionEvaluation&) = delete;
  DetectionEvaluation& operator=(const DetectionEvaluation&) = delete;
  /// Detections and ground truth of one image.
  void add(const std::vector<FoundBox>& found, const std::vector<TruthBox>& truth);
  DetectionMetrics metrics() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
