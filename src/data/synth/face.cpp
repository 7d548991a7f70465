#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "world.h"

namespace emotion::synth {
namespace {

/// How a mood shows: corners of the mouth up (+) or down (-), mouth open, brows' inner ends down (+) or up (-), eyes wide.
struct Expression {
  double mouth, open, brow, eyes;
};
constexpr Expression kExpressions[kMoods] = {{1.0, 0.7, -0.1, 0.7}, {0.5, 0.0, 0.0, 0.8},   {0.1, 0.6, -0.6, 1.5},
                                             {0.9, 1.0, -0.5, 1.2}, {-0.4, 0.8, -0.9, 1.7}, {-0.9, 0.0, -0.7, 0.7},
                                             {-0.6, 0.1, 0.5, 0.5}, {-0.7, 0.3, 1.0, 1.0}};
constexpr double kOtherExpression = 0.15;
constexpr int kFine = 4;  // drawn larger and reduced: smooth at 48 pixels

class FacePainter {
 public:
  FacePainter(int size, Random& random)
      : side_(size * kFine), image_(side_, side_, CV_8UC3), random_(random), skin_(random.uniform(0.35, 1.0)) {}

  cv::Mat paint(const Expression& e) {
    const double blue = random_.uniform(40, 200), green = random_.uniform(40, 200), red = random_.uniform(40, 200);
    image_ = cv::Scalar(red, green, blue);
    const double shift = random_.uniform(-0.03, 0.03), tilt = random_.uniform(-8, 8);
    cv::ellipse(image_, at(0.5 + shift, 0.4), axes(0.4, 0.38), 0, 180, 360, hair(), cv::FILLED, cv::LINE_AA);
    cv::ellipse(image_, at(0.5 + shift, 0.52), axes(0.34, 0.42), tilt, 0, 360, skin(1), cv::FILLED, cv::LINE_AA);
    for (const double side : {-1.0, 1.0}) {
      const double x = 0.5 + shift + side * 0.15;
      cv::ellipse(image_, at(x, 0.45), axes(0.07, 0.035 * e.eyes), 0, 0, 360, cv::Scalar(245, 245, 245), cv::FILLED, cv::LINE_AA);
      cv::circle(image_, at(x, 0.45), px(0.03), cv::Scalar(35, 25, 20), cv::FILLED, cv::LINE_AA);
      cv::line(image_, at(x - side * 0.08, 0.35 + 0.05 * e.brow), at(x + side * 0.08, 0.35 - 0.04 * e.brow), hair(), px(0.03),
               cv::LINE_AA);
    }
    cv::line(image_, at(0.5 + shift, 0.5), at(0.49 + shift, 0.6), skin(0.75), px(0.025), cv::LINE_AA);
    mouth(0.5 + shift, e);
    return image_;
  }

 private:
  int px(double part) const { return std::max(1, static_cast<int>(std::lround(part * side_))); }
  cv::Point at(double x, double y) const { return {px(x), px(y)}; }
  cv::Size axes(double x, double y) const { return {px(x), px(y)}; }
  cv::Scalar skin(double light) const { return {light * 250 * skin_, light * 200 * skin_, light * 160 * skin_}; }
  cv::Scalar hair() const { return {40 + 60 * skin_, 30 + 30 * skin_, 20.0}; }

  void mouth(double x, const Expression& e) {
    const double bend = 0.09 * e.mouth;
    if (e.open > 0.4) {
      cv::ellipse(image_, at(x, 0.75), axes(0.13, 0.03 + 0.06 * e.open), 0, 0, 360, cv::Scalar(90, 20, 30), cv::FILLED,
                  cv::LINE_AA);
    }
    std::vector<cv::Point> curve;
    for (int i = -8; i <= 8; ++i) {
      const double u = i / 8.0;
      curve.push_back(at(x + 0.15 * u, 0.75 + bend * (1 - 2 * u * u)));
    }
    cv::polylines(image_, curve, false, cv::Scalar(140, 40, 50), px(0.03), cv::LINE_AA);
  }

  int side_;
  cv::Mat image_;
  Random& random_;
  double skin_;
};

}  // namespace

std::vector<unsigned char> paint_face(int mood, int size, Random& random) {
  const int shown = random.uniform() < kOtherExpression ? static_cast<int>(random.below(kMoods)) : mood;
  Expression e = kExpressions[shown];
  for (double* value : {&e.mouth, &e.open, &e.brow, &e.eyes}) *value += 0.18 * random.normal();
  e.open = std::clamp(e.open, 0.0, 1.2);
  e.eyes = std::clamp(e.eyes, 0.3, 2.0);
  const cv::Mat fine = FacePainter(size, random).paint(e);
  std::vector<unsigned char> pixels(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
  cv::Mat face(size, size, CV_8UC3, pixels.data());
  cv::resize(fine, face, face.size(), 0, 0, cv::INTER_AREA);
  return pixels;
}

void paste_face(std::vector<unsigned char>& pixels, int size, std::vector<unsigned char>& face, int face_size, Random& random) {
  const int side = std::max(4, static_cast<int>(random.uniform(0.25, 0.4) * size));
  const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(size - side + 1)));
  const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(size - side + 1)));
  cv::Mat picture(size, size, CV_8UC3, pixels.data()), small;
  cv::resize(cv::Mat(face_size, face_size, CV_8UC3, face.data()), small, {side, side}, 0, 0, cv::INTER_AREA);
  small.copyTo(picture(cv::Rect(x, y, side, side)));
}

}  // namespace emotion::synth
