#pragma once

#include <initializer_list>
#include <utility>

#include <opencv2/core.hpp>

namespace emotion::synth {

/// Hue, saturation and value in 0 .. 1 (the hue's whole part is dropped) as RGB in 0 .. 255.
cv::Scalar hsv(double h, double s, double v);

/// A square RGB picture that is drawn on. Places and lengths are parts of its side, (0, 0) is its upper left corner.
class Canvas {
 public:
  explicit Canvas(int size) : size_(size), image_(size, size, CV_8UC3) {}

  int size() const { return size_; }
  cv::Mat& image() { return image_; }
  /// A place or length in whole pixels.
  int px(double part) const;

  void disc(double x, double y, double r, const cv::Scalar& color);
  /// A circle, one pixel wide.
  void ring(double x, double y, double r, const cv::Scalar& color);
  void ellipse(double x, double y, double rx, double ry, const cv::Scalar& color);
  /// The outline of an ellipse from one angle to another: degrees, clockwise from the right.
  void arc(double x, double y, double rx, double ry, double from, double to, const cv::Scalar& color, double width);
  void line(double x0, double y0, double x1, double y1, const cv::Scalar& color, double width);
  void box(double x0, double y0, double x1, double y1, const cv::Scalar& color);
  /// A convex one.
  void polygon(std::initializer_list<std::pair<double, double>> corners, const cv::Scalar& color);
  /// Rows `from` .. `to` - 1, in pixels.
  void gradient(int from, int to, const cv::Scalar& top, const cv::Scalar& bottom);

 private:
  cv::Point at(double x, double y) const { return {px(x), px(y)}; }
  int thick(double part) const;

  int size_;
  cv::Mat image_;
};

}  // namespace emotion::synth
