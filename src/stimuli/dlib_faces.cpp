#include <algorithm>
#include <cmath>
#include <fstream>

#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <fmt/format.h>

#include "dlib_cnn.h"
#include "dlib_picture.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/stimuli/faces.h"

namespace emotion {
namespace {

void check(const FaceOptions& o) {
  if (o.size < 8 || o.size > 1024) throw ConfigError(fmt::format("--size is {}; 8 to 1024 pixels are possible", o.size));
  if (!(o.padding >= 0 && o.padding <= 4)) throw ConfigError(fmt::format("--padding is {}; 0 to 4 is possible", o.padding));
  if (o.upsample < 0 || o.upsample > 3) throw ConfigError(fmt::format("--upsample is {}; 0 to 3 is possible", o.upsample));
  if (o.max_side != 0 && (o.max_side < 64 || o.max_side > 16384))
    throw ConfigError(fmt::format("--max-side is {}; 64 to 16384 pixels, or 0 for no limit, are possible", o.max_side));
  if (!std::isfinite(o.threshold)) throw ConfigError("--threshold is not a finite number");
}

std::vector<DetectedFace> detect_hog(dlib::frontal_face_detector& detector, const Image& image, const FaceOptions& options) {
  const auto picture = dlib_picture(image, options.upsample);
  std::vector<dlib::rect_detection> found;
  detector(picture, found, options.threshold);
  const dlib::pyramid_down<2> halved;
  std::vector<DetectedFace> faces;
  for (const auto& face : found) {
    const dlib::rectangle box = halved.rect_down(face.rect, static_cast<unsigned>(options.upsample));
    faces.push_back({box.left(), box.top(), box.right(), box.bottom(), face.detection_confidence});
  }
  return faces;
}

std::vector<std::uint8_t> align(const dlib::array2d<dlib::rgb_pixel>& picture, const dlib::full_object_detection& shape, int size,
                                double padding) {
  dlib::array2d<dlib::rgb_pixel> chip;
  dlib::extract_image_chip(picture, dlib::get_face_chip_details(shape, static_cast<unsigned long>(size), padding), chip);
  std::vector<std::uint8_t> grey;
  grey.reserve(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
  for (long y = 0; y < chip.nr(); ++y) {
    for (long x = 0; x < chip.nc(); ++x) {  // BT.601, rounded as Pillow's convert("L")
      const dlib::rgb_pixel& p = chip[y][x];
      grey.push_back(static_cast<std::uint8_t>((p.red * 19595U + p.green * 38470U + p.blue * 7471U + 0x8000U) >> 16));
    }
  }
  return grey;
}

bool middle_within(const std::array<float, 4>& face, const std::array<float, 4>& box) {
  const float x = face[0] + face[2] / 2, y = face[1] + face[3] / 2;
  return x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3];
}

}  // namespace

struct FaceFinder::Data {
  FaceOptions options;
  std::shared_ptr<const dlib::shape_predictor> landmarks;
  dlib::frontal_face_detector hog;
  std::unique_ptr<CnnFaceDetector> cnn;
};

FaceFinder::FaceFinder(std::unique_ptr<Data> data) : data_(std::move(data)) {}
FaceFinder::FaceFinder(FaceFinder&&) noexcept = default;
FaceFinder::~FaceFinder() = default;

FaceFinder::FaceFinder(const FaceOptions& options) : data_(std::make_unique<Data>()) {
  check(options);
  data_->options = options;
  const std::filesystem::path file = find_landmark_model(options.landmarks);
  check_landmark_model(file);
  auto landmarks = std::make_shared<dlib::shape_predictor>();
  try {
    std::ifstream in(file, std::ios::binary);
    dlib::deserialize(*landmarks, in);
  } catch (const std::exception& error) {
    throw WeightsError(fmt::format("{}: dlib cannot read it: {}", file.string(), error.what()));
  }
  data_->landmarks = std::move(landmarks);
  if (options.cnn.empty()) {
    data_->hog = dlib::get_frontal_face_detector();
  } else {
    data_->cnn = std::make_unique<CnnFaceDetector>(options.cnn);
  }
}

FaceFinder FaceFinder::copy() const {
  auto data = std::make_unique<Data>();
  data->options = data_->options;
  data->landmarks = data_->landmarks;
  data->hog = data_->hog;
  if (data_->cnn) data->cnn = std::make_unique<CnnFaceDetector>(*data_->cnn);
  return FaceFinder(std::move(data));
}

std::vector<Face> FaceFinder::detect(const Image& image) {
  const FaceOptions& o = data_->options;
  const int longest = std::max(image.width, image.height);
  double scale = 1;
  Image shrunk;
  if (o.max_side > 0 && longest > o.max_side) {
    scale = static_cast<double>(longest) / o.max_side;
    const auto side = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(pixels / scale))); };
    shrunk = resize_image(image, side(image.width), side(image.height));
  }
  const Image& seen = scale > 1 ? shrunk : image;
  std::vector<Face> faces;
  for (const DetectedFace& f : data_->cnn ? data_->cnn->detect(seen, o.upsample, o.threshold) : detect_hog(data_->hog, seen, o)) {
    const auto pixels = [&](long n) { return static_cast<float>(static_cast<double>(n) * scale); };
    faces.push_back({.box = {pixels(f.left), pixels(f.top), pixels(f.right - f.left + 1), pixels(f.bottom - f.top + 1)},
                     .score = f.score,
                     .landmarks = {},
                     .pixels = {}});
  }
  std::stable_sort(faces.begin(), faces.end(), [](const Face& a, const Face& b) {
    const float area_a = a.box[2] * a.box[3], area_b = b.box[2] * b.box[3];
    return area_a > area_b || (area_a == area_b && a.score > b.score);
  });
  return faces;
}

std::optional<Face> FaceFinder::largest(const Image& image, const std::optional<std::array<float, 4>>& box) {
  for (Face& face : detect(image)) {
    if (box && !middle_within(face.box, *box)) continue;
    const auto picture = dlib_picture(image);
    const auto [x, y, w, h] = face.box;
    const dlib::rectangle place(std::lround(x), std::lround(y), std::lround(x + w) - 1, std::lround(y + h) - 1);
    const dlib::full_object_detection shape = (*data_->landmarks)(picture, place);
    for (unsigned long i = 0; i < shape.num_parts(); ++i)
      face.landmarks.push_back({static_cast<double>(shape.part(i).x()), static_cast<double>(shape.part(i).y())});
    face.pixels = align(picture, shape, data_->options.size, data_->options.padding);
    return std::move(face);
  }
  return std::nullopt;
}

std::vector<std::uint8_t> align_face(const Image& image, const std::vector<FacePoint>& landmarks, int size, double padding) {
  if (landmarks.size() != 68) throw DataError(fmt::format("a face is aligned by 68 landmarks, not {}", landmarks.size()));
  std::vector<dlib::point> points;
  for (const FacePoint& p : landmarks) points.emplace_back(std::lround(p.x), std::lround(p.y));
  return align(dlib_picture(image), dlib::full_object_detection(dlib::rectangle(), points), size, padding);
}

}  // namespace emotion
