#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "emotion/data/image.h"

namespace emotion {

/// How faces are found and cut out. The values of size and padding decide a data set's face pictures: one choice for all.
struct FaceOptions {
  std::filesystem::path landmarks;  ///< dlib's 68-point model; empty = where Debian's libdlib-data puts it
  std::filesystem::path cnn;        ///< weights of dlib's CNN face detector (mmod); empty = the HOG detector, which needs none
  int size = 48;                    ///< side of the aligned face, pixels
  double padding = 0.25;            ///< room around the features (brows to chin), as part of their extent
  int upsample = 1;                 ///< doublings of the picture before detection: the HOG detector finds faces from 80 pixels
  int max_side = 1024;              ///< longer pictures are shrunk to it for detection, pixels; 0 = never
  double threshold = 0;             ///< least detection score; lower finds more, and more that are none
};

struct FacePoint {
  double x = 0, y = 0;  ///< pixels of the picture
};

/// One face of a picture.
struct Face {
  std::array<float, 4> box{};        ///< x, y, width, height in pixels of the picture; may reach over its border
  double score = 0;                  ///< the detector's confidence, above the threshold
  std::vector<FacePoint> landmarks;  ///< 68, in iBUG's order; empty from detect()
  std::vector<std::uint8_t> pixels;  ///< aligned, grey, size x size; empty from detect()
};

/// dlib's face detector and landmarks. One object a thread: copy() is cheap, the landmark model (100 MB) is shared.
class FaceFinder {
 public:
  /// Checks the models before dlib reads them. @throws WeightsError naming a missing or damaged model and where to get it;
  /// ConfigError for options out of range
  explicit FaceFinder(const FaceOptions& options);
  FaceFinder(FaceFinder&&) noexcept;
  ~FaceFinder();
  FaceFinder copy() const;

  /// Boxes and scores of all faces, the largest first.
  std::vector<Face> detect(const Image& image);
  /// The largest face with its landmarks, aligned; nothing without a face. With a box (x, y, width, height), only faces whose
  /// middle is in it count.
  std::optional<Face> largest(const Image& image, const std::optional<std::array<float, 4>>& box = std::nullopt);

 private:
  struct Data;
  explicit FaceFinder(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

/// The face cut out grey, size x size, rotated and scaled so that its landmarks lie as near as they can to those of dlib's mean
/// face. @throws DataError unless there are 68 landmarks
std::vector<std::uint8_t> align_face(const Image& image, const std::vector<FacePoint>& landmarks, int size, double padding);

/// Where the landmark model is looked for: `file`, or the place of Debian's libdlib-data where it is empty.
/// @throws WeightsError if it is not there
std::filesystem::path find_landmark_model(const std::filesystem::path& file = {});
/// Reads through a dlib landmark model: every count is checked against the bytes that are left, every index against what it
/// points into, so that dlib (which checks neither) can read it.
/// @throws WeightsError naming the file and what is wrong
void check_landmark_model(const std::filesystem::path& file);

}  // namespace emotion
