#include "emotion/report/html.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace emotion {
namespace {

constexpr double kWidth = 640, kHeight = 260, kLeft = 62, kRight = 14, kTop = 26, kBottom = 40;
/// Okabe and Ito's colours, told apart by colour-blind readers.
constexpr std::array<const char*, 7> kColors{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// A step of 1, 2 or 5 times a power of ten that gives about `count` ticks.
double tick_step(const Range& range, int count) {
  const double rough = std::max(range.high - range.low, 1e-12) / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string data_uri(std::string_view type, std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text = fmt::format("data:{};base64,", type);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

std::string html_page(const std::string& title, const std::string& body, const std::string& style) {
  return fmt::format(R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{0}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; margin: .5rem 0; }} th, td {{ padding: .15rem .7rem .15rem 0; text-align: left; border-bottom: 1px solid #ddd; }}
td {{ font-variant-numeric: tabular-nums; }} pre {{ background: #f5f5f5; padding: .7rem; overflow-x: auto; }}
h3 {{ font-size: 1rem; margin: 1rem 0 .3rem; }} svg {{ max-width: 100%; height: auto; }} img {{ max-width: 15rem; }}
.wide {{ overflow-x: auto; }} .matrix td {{ text-align: center; padding: .2rem .35rem; border: 1px solid #eee; min-width: 1.6rem; }}
.matrix th[scope=col] {{ height: 7rem; vertical-align: bottom; padding: .2rem; border: 0; }} .matrix th[scope=col] span {{ writing-mode: vertical-rl; transform: rotate(180deg); }}
.strip {{ display: flex; flex-wrap: wrap; gap: .8rem; }} figure {{ margin: 0; }} figcaption {{ font-size: .85rem; max-width: 10rem; overflow-wrap: anywhere; }}
footer {{ margin-top: 2rem; color: #666; }}
@media print {{ body {{ margin: 0; max-width: none; }} section {{ break-inside: avoid; }} }}{2}
</style></head><body><h1>{0}</h1>
{1}</body></html>
)",
                     html_escape(title), body, style);
}

std::string svg_plot(const std::string& title, const std::string& x_label, const std::vector<Curve>& curves) {
  Range xs, ys;
  for (const auto& curve : curves) {
    for (const auto& [x, y] : curve.points) {
      if (!std::isfinite(y)) continue;
      xs.add(x);
      ys.add(y);
    }
  }
  if (!std::isfinite(xs.low)) return {};
  if (ys.high - ys.low < 1e-12) ys = {ys.low - 0.5, ys.high + 0.5};
  if (xs.high - xs.low < 1e-12) xs.high = xs.low + 1;
  const auto px = [&](double x) { return kLeft + (x - xs.low) / (xs.high - xs.low) * (kWidth - kLeft - kRight); };
  const auto py = [&](double y) { return kHeight - kBottom - (y - ys.low) / (ys.high - ys.low) * (kHeight - kTop - kBottom); };
  std::string summary, lines, legend;
  double legend_x = kLeft;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::string points;
    double last = NAN;
    for (const auto& [x, y] : curves[i].points) {
      if (!std::isfinite(y)) continue;
      points += fmt::format("{:.1f},{:.1f} ", px(x), py(y));
      last = y;
    }
    const char* color = kColors[i % kColors.size()];
    lines += fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" points=\"{}\"/>\n", color, points);
    legend +=
        fmt::format("<rect x=\"{:.0f}\" y=\"8\" width=\"12\" height=\"4\" fill=\"{}\"/><text x=\"{:.0f}\" y=\"14\">{}</text>\n",
                    legend_x, color, legend_x + 16, html_escape(curves[i].name));
    legend_x += 34 + 7.0 * static_cast<double>(curves[i].name.size());
    summary += fmt::format("{}{}: {:.4g} at the end", summary.empty() ? "" : "; ", html_escape(curves[i].name), last);
  }
  std::string axes;
  for (double step = tick_step(ys, 5), y = std::ceil(ys.low / step) * step; y <= ys.high + 1e-9; y += step) {
    axes += fmt::format(
        "<line x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/><text x=\"{:.0f}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{:.4g}</text>\n",
        kLeft, kWidth - kRight, py(y), py(y), kLeft - 6, py(y) + 4, y);
  }
  for (double step = tick_step(xs, 7), x = std::ceil(xs.low / step) * step; x <= xs.high + 1e-9; x += step) {
    axes +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{:.6g}</text>\n", px(x), kHeight - kBottom + 16, x);
  }
  axes += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kWidth) / 2, kHeight - 6,
                      html_escape(x_label));
  return fmt::format(
      "<figure style=\"margin:0\"><svg viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" role=\"img\" aria-label=\"{}: {}\" "
      "font-size=\"12\" "
      "font-family=\"system-ui, sans-serif\"><title>{}: {}</title>\n{}{}{}</svg></figure>\n",
      kWidth, kHeight, kWidth, html_escape(title), summary, html_escape(title), summary, axes, lines, legend);
}

}  // namespace emotion
