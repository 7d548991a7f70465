#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emotion {

std::string html_escape(std::string_view text);
/// `data:TYPE;base64,..`: a picture within the page.
std::string data_uri(std::string_view type, std::string_view bytes);
/// A page of its own: no script, no font or style from elsewhere; readable when printed. `style`: more CSS.
std::string html_page(const std::string& title, const std::string& body, const std::string& style = {});

/// One curve of a plot: points in order of x.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
/// Curves over x as inline SVG with axes and a legend; the last values stand in its text alternative. No finite point: empty.
std::string svg_plot(const std::string& title, const std::string& x_label, const std::vector<Curve>& curves);

}  // namespace emotion
