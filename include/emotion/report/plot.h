#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace emotion {

/// One curve of a plot: points in order of x.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

/// Points of one colour in a map.
struct PointGroup {
  std::string name;
  std::vector<std::array<double, 2>> points;
  std::vector<std::string> titles;  ///< what a point is, one each; shown when it is pointed at
};

/// Plots as inline SVG in the page's colours, each with a text alternative and, folded beneath, the numbers as a table.
///
/// Curves over x with axes and a legend. No finite point: empty.
std::string svg_plot(const std::string& title, const std::string& x_label, const std::vector<Curve>& curves);
/// Groups of points in a square; the axes have no unit.
std::string svg_map(const std::string& title, const std::vector<PointGroup>& groups);
/// A bar a name, values between 0 and `full`; NaN draws none.
std::string svg_bars(const std::string& title, const std::vector<std::pair<std::string, double>>& values, double full);

}  // namespace emotion
