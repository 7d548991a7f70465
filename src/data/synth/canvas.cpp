#include "canvas.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

namespace emotion::synth {

cv::Scalar hsv(double h, double s, double v) {
  h = (h - std::floor(h)) * 6;
  s = std::clamp(s, 0.0, 1.0);
  v = std::clamp(v, 0.0, 1.0);
  const auto channel = [&](double n) {
    const double k = std::fmod(n + h, 6);
    return 255 * (v - v * s * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

int Canvas::px(double part) const { return static_cast<int>(std::lround(part * size_)); }

int Canvas::thick(double part) const { return std::max(1, px(part)); }

void Canvas::disc(double x, double y, double r, const cv::Scalar& color) {
  cv::circle(image_, at(x, y), std::max(1, px(r)), color, cv::FILLED, cv::LINE_AA);
}

void Canvas::ring(double x, double y, double r, const cv::Scalar& color) {
  cv::circle(image_, at(x, y), px(r), color, 1, cv::LINE_AA);
}

void Canvas::ellipse(double x, double y, double rx, double ry, const cv::Scalar& color) {
  cv::ellipse(image_, at(x, y), {px(rx), px(ry)}, 0, 0, 360, color, cv::FILLED, cv::LINE_AA);
}

void Canvas::arc(double x, double y, double rx, double ry, double from, double to, const cv::Scalar& color, double width) {
  cv::ellipse(image_, at(x, y), {px(rx), px(ry)}, 0, from, to, color, thick(width), cv::LINE_AA);
}

void Canvas::line(double x0, double y0, double x1, double y1, const cv::Scalar& color, double width) {
  cv::line(image_, at(x0, y0), at(x1, y1), color, thick(width), cv::LINE_AA);
}

void Canvas::box(double x0, double y0, double x1, double y1, const cv::Scalar& color) {
  cv::rectangle(image_, at(x0, y0), at(x1, y1), color, cv::FILLED);
}

void Canvas::polygon(std::initializer_list<std::pair<double, double>> corners, const cv::Scalar& color) {
  std::vector<cv::Point> points;
  for (const auto& [x, y] : corners) points.push_back(at(x, y));
  cv::fillConvexPoly(image_, points, color, cv::LINE_AA);
}

void Canvas::gradient(int from, int to, const cv::Scalar& top, const cv::Scalar& bottom) {
  for (int y = from; y < to; ++y) {
    const double t = static_cast<double>(y - from) / std::max(1, to - from);
    cv::line(image_, {0, y}, {size_ - 1, y}, top * (1 - t) + bottom * t, 1);
  }
}

}  // namespace emotion::synth
