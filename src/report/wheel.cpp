#include "emotion/report/wheel.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

#include "emotion/eval/mikels_wheel.h"
#include "emotion/report/html.h"

namespace emotion {
namespace {

constexpr double kWidth = 400, kHeight = 300, kRadius = 96;
constexpr std::size_t kMostBars = 12, kLongestName = 14;

const char* color(std::int8_t polarity) { return polarity > 0 ? "#d55e00" : polarity < 0 ? "#0072b2" : "#5f6b76"; }

/// Letters, not bytes: a name in UTF-8 is not cut within one.
std::string shortened(const std::string& name) {
  std::size_t letters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((static_cast<unsigned char>(name[i]) & 0xc0) == 0x80) continue;
    if (++letters > kLongestName) return name.substr(0, i) + "…";
  }
  return name;
}

std::vector<std::size_t> wheel_order(const std::vector<std::string>& classes, const std::vector<std::int8_t>& polarity) {
  std::vector<std::size_t> order = mikels_order(classes);
  if (!order.empty()) return order;
  order.resize(classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!polarity.empty())
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return polarity[a] > polarity[b]; });
  return order;
}

std::string bars(const std::vector<std::string>& classes, const std::vector<double>& p,
                 const std::vector<std::int8_t>& polarity) {
  std::vector<std::size_t> order(classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), kMostBars));
  std::string html = "<table class=\"bars\">";
  for (const std::size_t k : order) {
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{:.2f}</td><td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" "
        "role=\"presentation\"><rect width=\"{:.2f}\" height=\"10\" fill=\"{}\"/></svg></td></tr>\n",
        html_escape(classes[k]), p[k], 100 * p[k], color(polarity.empty() ? std::int8_t{0} : polarity[k]));
  }
  return html + "</table>\n";
}

}  // namespace

std::string svg_wheel(const std::vector<std::string>& classes, const std::vector<double>& probabilities,
                      const std::vector<std::int8_t>& polarity) {
  if (classes.size() < 3 || classes.size() > 12) return bars(classes, probabilities, polarity);
  const double cx = kWidth / 2, cy = kHeight / 2, step = 2 * std::numbers::pi / static_cast<double>(classes.size());
  const double most = *std::max_element(probabilities.begin(), probabilities.end());
  std::string sectors, labels, summary;
  double angle = -std::numbers::pi / 2;  // from the top, clockwise
  for (const std::size_t k : wheel_order(classes, polarity)) {
    const double p = probabilities[k], r = kRadius * std::sqrt(p / std::max(most, 1e-9)), middle = angle + step / 2;
    const auto point = [&](double radius, double a) { return std::pair{cx + radius * std::cos(a), cy + radius * std::sin(a)}; };
    const auto [x1, y1] = point(r, angle);
    const auto [x2, y2] = point(r, angle + step);
    const auto [rx, ry] = point(kRadius, angle);
    sectors += fmt::format(
        "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}A{:.1f} {:.1f} 0 0 1 {:.1f} {:.1f}Z\" fill=\"{}\" fill-opacity=\"{}\"/>"
        "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"#bbb\"/>\n",
        cx, cy, x1, y1, r, r, x2, y2, color(polarity.empty() ? std::int8_t{0} : polarity[k]), p == most ? "0.95" : "0.6", cx, cy,
        rx, ry);
    const auto [lx, ly] = point(kRadius + 12, middle);
    const double side = std::cos(middle);
    labels += fmt::format(
        "<text x=\"{0:.1f}\" y=\"{1:.1f}\" text-anchor=\"{2}\"{3}><tspan x=\"{0:.1f}\">{4}</tspan><tspan x=\"{0:.1f}\" "
        "dy=\"14\">{5:.2f}</tspan></text>\n",
        lx, ly + 10 * std::sin(middle) - 2,
        std::abs(side) < 0.2 ? "middle"
        : side > 0           ? "start"
                             : "end",
        p == most ? " font-weight=\"bold\"" : "", html_escape(shortened(classes[k])), p);
    summary += fmt::format("{}{} {:.2f}", summary.empty() ? "" : ", ", html_escape(classes[k]), p);
    angle += step;
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" role=\"img\" aria-label=\"{}\" font-size=\"13\" "
      "font-family=\"system-ui, sans-serif\"><circle cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"{:.0f}\" fill=\"none\" "
      "stroke=\"#bbb\"/>\n{}{}</svg>\n",
      kWidth, kHeight, kWidth, summary, cx, cy, kRadius, sectors, labels);
}

}  // namespace emotion
