#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "emotion/data/image.h"

namespace emotion {

/// A face as a detector of dlib's gives it, in pixels of the picture it was shown.
struct DetectedFace {
  long left, top, right, bottom;  ///< the last column and row belong to it
  double score;
};

/// dlib's CNN face detector, trained with its max-margin loss. Apart from the rest: dlib's network templates take a minute to
/// compile.
class CnnFaceDetector {
 public:
  /// @throws WeightsError
  explicit CnnFaceDetector(const std::filesystem::path& weights);
  CnnFaceDetector(const CnnFaceDetector& other);
  ~CnnFaceDetector();
  std::vector<DetectedFace> detect(const Image& image, int upsample, double threshold);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
