#include "dlib_cnn.h"

#include <fstream>

#include <dlib/dnn.h>
#include <fmt/format.h>

#include "dlib_picture.h"
#include "emotion/error.h"

namespace emotion {
namespace {

// mmod_human_face_detector.dat: three strided 5x5 layers over a pyramid of the picture, three more, and a 9x9 window.
template <long filters, typename Below>
using Strided = dlib::relu<dlib::affine<dlib::con<filters, 5, 5, 2, 2, Below>>>;
template <typename Below>
using Dense = dlib::relu<dlib::affine<dlib::con<45, 5, 5, 1, 1, Below>>>;
using Input = dlib::input_rgb_image_pyramid<dlib::pyramid_down<6>>;
using Network = dlib::loss_mmod<dlib::con<1, 9, 9, 1, 1, Dense<Dense<Dense<Strided<32, Strided<32, Strided<16, Input>>>>>>>>;

constexpr std::uintmax_t kMaxBytes = 64 << 20;  // the published file has 730 KB

}  // namespace

struct CnnFaceDetector::Data {
  Network network;
};

CnnFaceDetector::CnnFaceDetector(const std::filesystem::path& weights) : data_(std::make_unique<Data>()) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(weights, error);
  if (error) throw WeightsError(fmt::format("{}: {}", weights.string(), error.message()));
  const auto refuse = [&](const std::string& what) {
    throw WeightsError(fmt::format("{}: not the weights of dlib's CNN face detector (mmod_human_face_detector.dat): {}",
                                   weights.string(), what));
  };
  if (size > kMaxBytes) refuse(fmt::format("{} bytes are too many", size));
  try {
    std::ifstream in(weights, std::ios::binary);
    dlib::deserialize(data_->network, in);
  } catch (const std::exception& problem) {  // dlib's texts have several lines
    std::string text = problem.what();
    refuse(text.substr(0, text.find('\n')));
  }
}

CnnFaceDetector::CnnFaceDetector(const CnnFaceDetector& other) : data_(std::make_unique<Data>(*other.data_)) {}
CnnFaceDetector::~CnnFaceDetector() = default;

std::vector<DetectedFace> CnnFaceDetector::detect(const Image& image, int upsample, double threshold) {
  const auto picture = dlib_picture(image, upsample);
  dlib::matrix<dlib::rgb_pixel> input;
  dlib::assign_image(input, picture);
  std::vector<DetectedFace> faces;
  const dlib::pyramid_down<2> halved;
  // Scores below the threshold the network was trained with are not to be had from operator().
  for (const auto& found : data_->network.process(input, threshold)) {
    const dlib::rectangle box = halved.rect_down(found.rect, static_cast<unsigned>(upsample));
    faces.push_back({box.left(), box.top(), box.right(), box.bottom(), found.detection_confidence});
  }
  return faces;
}

}  // namespace emotion
