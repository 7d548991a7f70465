#include "emotion/report/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "emotion/report/html.h"

namespace emotion {
namespace {

constexpr double kWidth = 520, kHeight = 260, kLeft = 56, kRight = 12, kTop = 10, kBottom = 38;
/// Okabe and Ito's colours, told apart by colour-blind readers; the page's ink is the last.
constexpr std::array<const char*, 8> kColors{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#8a6d3b", "currentColor"};
constexpr std::size_t kTableRows = 40;  // of a plot's table

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// Room around a single value, enough of it for a double to tell the ends apart.
  void widen() {
    const double size = std::max(std::abs(low), std::abs(high));
    if (high - low < 1e-12 * std::max(1.0, size)) {
      const double room = std::max(0.5, 1e-6 * size);
      low -= room;
      high += room;
    }
  }
};

/// A number that a range of such numbers holds; beyond it the difference of two may be infinite.
bool is_drawable(double value) { return std::abs(value) < 1e300; }

/// A step of 1, 2 or 5 times a power of ten that gives about `count` ticks.
double tick_step(const Range& range, int count) {
  const double rough = std::max(range.high - range.low, 1e-12) / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::vector<double> ticks(const Range& range, int count) {
  const double step = tick_step(range, count), first = std::ceil(range.low / step) * step;
  std::vector<double> values;
  for (int i = 0; i <= 3 * count; ++i) {
    const double value = first + i * step;
    if (value > range.high + 1e-9 * step) break;
    values.push_back(std::abs(value) < 1e-9 * step ? 0 : value);
  }
  return values;
}

/// Colours come round again after eight names: then squares in a map, dashed lines in a plot.
std::string legend(const std::vector<std::string>& names, bool map) {
  if (names.size() < 2) return {};
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool second = i / kColors.size() % 2 == 1;
    const char* color = kColors[i % kColors.size()];
    const std::string mark = !map ? fmt::format("<line x1=\"0\" x2=\"14\" y1=\"5\" y2=\"5\" stroke-width=\"3\" stroke=\"{}\"{}/>",
                                                color, second ? " stroke-dasharray=\"4 2\"" : "")
                             : second ? fmt::format("<rect x=\"3\" y=\"1\" width=\"8\" height=\"8\" fill=\"{}\"/>", color)
                                      : fmt::format("<circle cx=\"7\" cy=\"5\" r=\"4.5\" fill=\"{}\"/>", color);
    html += fmt::format("<li><svg viewBox=\"0 0 14 10\" aria-hidden=\"true\">{}</svg> {}</li>", mark, html_escape(names[i]));
  }
  return html + "</ul>\n";
}

/// The first bytes of a text and two dots, no character cut in two.
std::string shortened(const std::string& text, std::size_t bytes) {
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes) + "..";
}

/// The frame of every plot: caption, drawing with title and description, legend, table.
std::string figure(const std::string& title, const std::string& summary, double width, double height, const std::string& drawing,
                   const std::vector<std::string>& names, const std::string& table, bool map = false) {
  return fmt::format(
      "<figure><figcaption class=\"title\">{0}</figcaption>\n<svg viewBox=\"0 0 {2:.0f} {3:.0f}\" role=\"img\" font-size=\"12\" "
      "font-family=\"system-ui, sans-serif\" "
      "fill=\"currentColor\"><title>{0}</title><desc>{1}</desc>\n{4}</svg>\n{5}{6}</figure>\n",
      html_escape(title), html_escape(summary), width, height, drawing, legend(names, map),
      html_details("Numbers: " + title, table));
}

/// Ticks, grid and the axis' name.
std::string axes(const Range& xs, const Range& ys, const std::string& x_label) {
  const auto px = [&](double x) { return kLeft + (x - xs.low) / (xs.high - xs.low) * (kWidth - kLeft - kRight); };
  const auto py = [&](double y) { return kHeight - kBottom - (y - ys.low) / (ys.high - ys.low) * (kHeight - kTop - kBottom); };
  std::string svg;
  for (const double y : ticks(ys, 5)) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"{:.0f}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{:.4g}</text>\n",
        kLeft, kWidth - kRight, py(y), py(y), kLeft - 6, py(y) + 4, y);
  }
  for (const double x : ticks(xs, 6)) {
    svg +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{:.6g}</text>\n", px(x), kHeight - kBottom + 16, x);
  }
  return svg + fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kWidth) / 2,
                           kHeight - 5, html_escape(x_label));
}

/// At most kTableRows of the x values that occur; a curve without a value there leaves its cell empty.
std::string curves_table(const std::string& x_label, const std::vector<Curve>& curves) {
  std::vector<double> xs;
  for (const auto& curve : curves) {
    for (const auto& [x, y] : curve.points) xs.push_back(x);
  }
  std::sort(xs.begin(), xs.end());
  xs.erase(std::unique(xs.begin(), xs.end()), xs.end());
  const std::size_t every = (xs.size() + kTableRows - 1) / kTableRows;
  std::vector<std::string> head{x_label};
  for (const auto& curve : curves) head.push_back(curve.name);
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (every > 1 && i % every != 0 && i + 1 != xs.size()) continue;
    auto& row = rows.emplace_back();
    row.push_back(fmt::format("{:.6g}", xs[i]));
    for (const auto& curve : curves) {
      const auto found = std::find_if(curve.points.begin(), curve.points.end(), [&](const auto& p) { return p.first == xs[i]; });
      row.push_back(found == curve.points.end() ? "" : fmt::format("{:.5g}", found->second));
    }
  }
  return html_table(head, rows);
}

}  // namespace

std::string svg_plot(const std::string& title, const std::string& x_label, const std::vector<Curve>& curves) {
  Range xs, ys;
  for (const auto& curve : curves) {
    for (const auto& [x, y] : curve.points) {
      if (!is_drawable(y)) continue;
      xs.add(x);
      ys.add(y);
    }
  }
  if (!std::isfinite(xs.low)) return {};
  xs.widen();
  ys.widen();
  const auto px = [&](double x) { return kLeft + (x - xs.low) / (xs.high - xs.low) * (kWidth - kLeft - kRight); };
  const auto py = [&](double y) { return kHeight - kBottom - (y - ys.low) / (ys.high - ys.low) * (kHeight - kTop - kBottom); };
  std::string summary, lines;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::string points;
    double last_x = NAN, last = NAN;
    std::size_t count = 0;
    for (const auto& [x, y] : curves[i].points) {
      if (!is_drawable(y)) continue;
      points += fmt::format("{:.1f},{:.1f} ", px(x), py(y));
      last_x = x;
      last = y;
      ++count;
    }
    const char* color = kColors[i % kColors.size()];
    // The second eight are dashed: colours come round again.
    const char* dash = i / kColors.size() % 2 == 1 ? " stroke-dasharray=\"6 3\"" : "";
    lines +=
        fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"{} points=\"{}\"/>\n",
                    color, dash, points);
    if (count == 1)
      lines += fmt::format("<circle r=\"3\" cx=\"{:.1f}\" cy=\"{:.1f}\" fill=\"{}\"/>\n", px(last_x), py(last), color);
    names.push_back(curves[i].name);
    summary += fmt::format("{}{}: {:.4g} at the end", summary.empty() ? "" : "; ", curves[i].name, last);
  }
  return figure(title, summary, kWidth, kHeight, axes(xs, ys, x_label) + lines, names, curves_table(x_label, curves));
}

std::string svg_map(const std::string& title, const std::vector<PointGroup>& groups) {
  constexpr double kSide = 420, kMargin = 10;
  Range xs, ys;
  std::size_t count = 0;
  for (const auto& group : groups) {
    for (const auto& [x, y] : group.points) {
      xs.add(x);
      ys.add(y);
      ++count;
    }
  }
  if (!std::isfinite(xs.low) || !std::isfinite(ys.low)) return {};
  xs.widen();
  ys.widen();
  std::string drawing =
      fmt::format("<rect class=\"grid\" x=\"1\" y=\"1\" width=\"{0:.0f}\" height=\"{0:.0f}\" fill=\"none\"/>\n", kSide - 2);
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    // Beyond eight groups the shape tells those of one colour apart.
    const bool square = g / kColors.size() % 2 == 1;
    double mean_x = 0, mean_y = 0;
    for (std::size_t i = 0; i < groups[g].points.size(); ++i) {
      const auto [x, y] = groups[g].points[i];
      mean_x += x / static_cast<double>(groups[g].points.size());
      mean_y += y / static_cast<double>(groups[g].points.size());
      const double cx = kMargin + (x - xs.low) / (xs.high - xs.low) * (kSide - 2 * kMargin),
                   cy = kSide - kMargin - (y - ys.low) / (ys.high - ys.low) * (kSide - 2 * kMargin);
      const std::string shape = square
                                    ? fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"7\" height=\"7\"", cx - 3.5, cy - 3.5)
                                    : fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"", cx, cy);
      drawing += fmt::format("{} fill=\"{}\" fill-opacity=\".75\"><title>{}</title></{}>\n", shape, kColors[g % kColors.size()],
                             html_escape(groups[g].titles[i]), square ? "rect" : "circle");
    }
    names.push_back(groups[g].name);
    rows.push_back(
        {groups[g].name, std::to_string(groups[g].points.size()), fmt::format("{:.3g}", mean_x), fmt::format("{:.3g}", mean_y)});
  }
  return figure(title, fmt::format("{} points of {} groups; the table has the centre of each group", count, groups.size()), kSide,
                kSide, drawing, names, html_table({"group", "points", "mean x", "mean y"}, rows), true);
}

std::string svg_bars(const std::string& title, const std::vector<std::pair<std::string, double>>& values, double full) {
  if (values.empty() || !(full > 0)) return {};
  constexpr double kRow = 18, kNames = 150;
  std::string drawing;
  std::vector<std::vector<std::string>> rows;
  double y = 0;
  for (const auto& [name, value] : values) {
    const bool there = std::isfinite(value);
    const double length = there ? (kWidth - kNames - 60) * std::clamp(value / full, 0.0, 1.0) : 0;
    const std::string number = there ? fmt::format("{:.4g}", value) : "none";
    const std::string shown = name.size() > 22 ? shortened(name, 20) : name;
    drawing += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text><rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.1f}\" "
        "height=\"11\" rx=\"2\" fill=\"{}\"/><text x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n",
        kNames - 8, y + 13, html_escape(shown), kNames, y + 4, length, kColors[0], kNames + length + 6, y + 13, number);
    rows.push_back({name, number});
    y += kRow;
  }
  return figure(title, fmt::format("{} bars", values.size()), kWidth, y + 4, drawing, {}, html_table({"", title}, rows));
}

}  // namespace emotion
