#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/loss/metrics.h"
#include "emotion/report/explanation.h"
#include "emotion/report/heat_map.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/report/wheel.h"

namespace emotion {
namespace {

constexpr int kShown = 480;  // longer side of a picture on the page, pixels
constexpr const char* kStyle = R"(
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1.2rem; align-items: start; }
.panels img, .panels svg { width: 100%; max-width: 30rem; display: block; }
.panels figcaption, .steps figcaption { max-width: 30rem; color: #444; margin-top: .3rem; }
.panels img.face { width: 12rem; image-rendering: pixelated; }
.silent { border: 1px dashed #888; padding: 1rem; color: #444; max-width: 28rem; overflow-wrap: anywhere; }
.verdict { font-size: 1.1rem; margin: .4rem 0 1rem; }
h2 { overflow-wrap: anywhere; border-top: 1px solid #bbb; padding-top: 1rem; }
.steps { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .6rem; }
.steps svg { width: 100%; display: block; }
.attention { font-size: .85rem; } .attention th, .attention td { padding: .1rem .35rem .1rem 0; }
.attention td.step { padding: 0; min-width: .95rem; border: 1px solid #fff; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.attention th.step { font-weight: normal; text-align: center; padding: 0; }
.bars { width: 100%; } .bars td.bar { width: 55%; } .bars svg { height: .8rem; width: 100%; max-width: none; background: #eee; }
@media print { section { break-inside: auto; } .panels { grid-template-columns: 1fr 1fr; } figure, tr { break-inside: avoid; } section + section { break-before: page; } svg, img { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)";

std::string figure(const std::string& content, const std::string& caption) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", content, caption);
}

/// In place of a branch's picture: why there is none.
std::string no_picture(const std::string& branch, const std::string& why) {
  return fmt::format("<figure><div class=\"silent\"><strong>{}</strong>{}.</div></figure>\n", branch, html_escape(why));
}

std::string silent(const std::string& branch, const std::string& why) { return no_picture(branch, " is silent: " + why); }

const char* title(const std::string& branch) {
  return branch == "global" ? "Global-Net" : branch == "semantic" ? "Semantic-Net" : "Expression-Net";
}

/// Numbers beside the boxes, none over another: at a corner of its box where there is room, else further down.
class NumberPlaces {
 public:
  NumberPlaces(double width, double height) : width_(width), height_(height) {}
  std::pair<double, double> place(double x1, double y1, double x2, double y2, double w, double h) {
    const auto inside = [&](double x, double y) {
      return std::pair{std::clamp(x, 0.0, std::max(0.0, width_ - w)), std::clamp(y, 0.0, std::max(0.0, height_ - h))};
    };
    for (const auto& [x, y] : {inside(x1, y1), inside(x2 - w, y1), inside(x1, y2 - h), inside(x2 - w, y2 - h)}) {
      if (free(x, y, w, h)) return take(x, y, w, h);
    }
    for (double y = 0; y + h <= height_; y += h) {
      for (double x = 0; x + w <= width_; x += w) {
        if (free(x, y, w, h)) return take(x, y, w, h);
      }
    }
    return take(0, 0, w, h);
  }

 private:
  bool free(double x, double y, double w, double h) const {
    return std::none_of(taken_.begin(), taken_.end(), [&](const auto& t) {
      return x < t[0] + t[2] + 1 && t[0] < x + w + 1 && y < t[1] + t[3] + 1 && t[1] < y + h + 1;
    });
  }
  std::pair<double, double> take(double x, double y, double w, double h) {
    taken_.push_back({x, y, w, h});
    return {x, y};
  }
  double width_, height_;
  std::vector<std::array<double, 4>> taken_;
};

/// The regions of a picture on the page: boxes in the pixels it is shown with.
class RegionDrawing {
 public:
  RegionDrawing(const Image& picture, const Image& shown, const RegionFile& regions, std::size_t number)
      : width_(shown.width), height_(shown.height), number_(number), jpeg_(data_uri("image/jpeg", encode_jpeg(shown))) {
    const at::Tensor boxes = regions.boxes.to(at::kDouble).contiguous();
    const double sx = static_cast<double>(shown.width) / picture.width, sy = static_cast<double>(shown.height) / picture.height;
    for (std::int64_t i = 0; i < boxes.size(0); ++i) {
      const double* b = boxes.const_data_ptr<double>() + 4 * i;
      boxes_.push_back({std::clamp(b[0] * sx, 0.0, width_), std::clamp(b[1] * sy, 0.0, height_),
                        std::clamp(b[2] * sx, 0.0, width_), std::clamp(b[3] * sy, 0.0, height_)});
    }
  }

  /// weights: of each region, the most is 1.
  std::string whole(const std::vector<double>& weights) const {
    NumberPlaces places(width_, height_);
    std::string numbers;
    const double h = std::clamp(std::min(width_, height_) / 12, 8.0, 22.0);
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
      const std::string text = std::to_string(i + 1);
      const double w = h * (0.45 + 0.6 * static_cast<double>(text.size()));
      const auto [x, y] = places.place(boxes_[i][0], boxes_[i][1], boxes_[i][2], boxes_[i][3], w, h);
      numbers += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#1a1a1a\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
          "fill=\"#fff\" text-anchor=\"middle\" font-size=\"{:.1f}\" font-family=\"system-ui, sans-serif\">{}</text>\n",
          x, y, w, h, x + w / 2, y + 0.79 * h, 0.8 * h, text);
    }
    return svg(
        fmt::format("<image id=\"p{}\" href=\"{}\" width=\"{:.0f}\" height=\"{:.0f}\"/>\n", number_, jpeg_, width_, height_) +
            rectangles(weights) + numbers,
        "regions over the picture");
  }
  std::string step(const std::vector<double>& weights, std::size_t t) const {
    return svg(fmt::format("<use href=\"#p{}\"/>\n", number_) + rectangles(weights), fmt::format("regions in step {}", t));
  }

 private:
  std::string svg(const std::string& content, const std::string& label) const {
    return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">{}</svg>", width_, height_, label,
                       content);
  }
  std::string rectangles(const std::vector<double>& weights) const {
    std::string html;
    for (std::size_t i = boxes_.size(); i-- > 0;) {  // the best on top
      const auto& b = boxes_[i];
      html += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#ffb000\" fill-opacity=\"{:.2f}\" "
          "stroke=\"#ffb000\" stroke-opacity=\"{:.2f}\" stroke-width=\"{:.1f}\"/>\n",
          b[0], b[1], std::max(0.0, b[2] - b[0]), std::max(0.0, b[3] - b[1]), 0.25 * weights[i], 0.3 + 0.7 * weights[i],
          (1 + 3 * weights[i]) * std::max(width_, height_) / kShown);
    }
    return html;
  }

  double width_, height_;
  std::size_t number_;
  std::string jpeg_;
  std::vector<std::array<double, 4>> boxes_;
};

/// Divided by the largest; all 1 without attention.
std::vector<double> relative(const at::Tensor& weights, std::int64_t n) {
  std::vector<double> result(static_cast<std::size_t>(n), 1.0);
  if (!weights.defined()) return result;
  const at::Tensor dense = weights.to(at::kDouble).contiguous();
  for (std::int64_t i = 0; i < n; ++i) result[static_cast<std::size_t>(i)] = dense.const_data_ptr<double>()[i];
  const double most = std::max(*std::max_element(result.begin(), result.end()), 1e-12);
  for (double& value : result) value /= most;
  return result;
}

/// A line a region: number, name, score, its weight in each step as a shade, and in sum.
std::string attention_table(const StimuliExplanation& seen) {
  const std::int64_t n = seen.regions.features.size(0), steps = seen.attention.defined() ? seen.attention.size(0) : 0;
  std::string html =
      "<div class=\"wide\"><table class=\"attention\"><tr><th scope=\"col\">#</th><th scope=\"col\">region</th><th "
      "scope=\"col\">score</th>";
  for (std::int64_t t = 0; t < steps; ++t) html += fmt::format("<th scope=\"col\" class=\"step\">{}</th>", t + 1);
  html += steps > 0 ? "<th scope=\"col\">&nbsp;all</th></tr>\n" : "</tr>\n";
  const at::Tensor sum = attention_sum(seen);
  for (std::int64_t i = 0; i < n; ++i) {
    html += fmt::format("<tr><td>{}</td><th scope=\"row\">{}</th><td>{:.2f}</td>", i + 1,
                        html_escape(region_name(seen.regions, i)), seen.regions.scores[i].item<float>());
    for (std::int64_t t = 0; t < steps; ++t) {
      const float weight = seen.attention[t][i].item<float>();
      html += fmt::format("<td class=\"step\" style=\"background:rgba(213,94,0,{:.2f})\" title=\"step {}: {:.3f}\"></td>",
                          std::sqrt(weight), t + 1, weight);
    }
    html += sum.defined() ? fmt::format("<td>&nbsp;{:.2f}</td></tr>\n", sum[i].item<float>()) : "</tr>\n";
  }
  return html + "</table></div>\n";
}

/// Two figures and, under the panels, the table and a small picture for each step.
std::pair<std::string, std::string> regions_part(const Stimuli& stimuli, const StimuliExplanation& seen, std::size_t number) {
  const std::int64_t n = seen.regions.features.size(0);
  const RegionDrawing drawing(stimuli.picture, shrink_to(stimuli.picture, kShown), seen.regions, number);
  const at::Tensor sum = attention_sum(seen);
  const char* caption = sum.defined()
                            ? "Semantic-Net: the detector's regions; the stronger the box, the more attention in all steps."
                            : "Semantic-Net: the detector's regions; fully connected layers weigh them alike.";
  std::string below = "<h3>Regions" + std::string(sum.defined() ? " and attention" : "") + "</h3>\n" + attention_table(seen);
  if (sum.defined()) {
    below += "<p>Darker is more attention in that step; &ldquo;all&rdquo; is the mean of the steps.</p>\n<div class=\"steps\">";
    for (std::int64_t t = 0; t < seen.attention.size(0); ++t)
      below +=
          figure(drawing.step(relative(seen.attention[t], n), static_cast<std::size_t>(t + 1)), fmt::format("step {}", t + 1));
    below += "</div>\n";
  }
  return {figure(drawing.whole(relative(sum, n)), caption), below};
}

/// What is right, and how bad a wrong prediction is: of several labels by the one that emotion_eval holds it against.
std::string truth(const TrainedStimuliNet& model, const Stimuli& stimuli, const StimuliExplanation& seen) {
  if (stimuli.truth.empty()) return {};
  const auto best = static_cast<std::uint32_t>(seen.order[0]);
  std::vector<std::string> names;
  for (const std::uint32_t id : stimuli.truth) names.push_back(model.classes[id]);
  const std::string text = fmt::format("; truth: {}", html_escape(fmt::format("{}", fmt::join(names, ", "))));
  const std::uint32_t label = truth_of(stimuli.truth, best, model.polarity);
  if (label == best) return text + " (right)";
  if (model.polarity.empty()) return text + " (wrong)";
  return text + (model.polarity[label] == model.polarity[best] ? " (wrong, of the right polarity: an easy false prediction)"
                                                               : " (wrong polarity: a hard false prediction)");
}

std::string branches_table(const StimuliExplanation& seen, const std::string& best) {
  std::string html =
      fmt::format("<table><tr><th scope=\"col\">branch</th><th scope=\"col\">for {}</th></tr>\n", html_escape(best));
  for (const auto& branch : seen.branches) {
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", title(branch.name),
                        branch.silent.empty() ? fmt::format("{:+.2f}", branch.evidence) : "silent");
  }
  return html + "</table>\n";
}

}  // namespace

std::string explanation_section(const TrainedStimuliNet& model, const Stimuli& stimuli, const StimuliExplanation& seen,
                                std::size_t number) {
  const std::string& best = model.classes[seen.order[0]];
  std::string html =
      fmt::format("<section><h2>{}</h2>\n<p class=\"verdict\"><strong>{}</strong> {:.2f}{}{}</p>\n<div class=\"panels\">\n",
                  html_escape(stimuli.name), html_escape(best), seen.probabilities[seen.order[0]],
                  seen.positive ? fmt::format("; positive {:.2f}, negative {:.2f}", *seen.positive, 1 - *seen.positive) : "",
                  truth(model, stimuli, seen));
  html += figure(svg_wheel(model.classes, seen.probabilities, model.polarity) + branches_table(seen, best),
                 "Probabilities, and what each branch adds to the score of the best class.");
  const Image shown = shrink_to(stimuli.picture, kShown);
  html += figure(fmt::format("<img alt=\"the picture\" src=\"{}\">", data_uri("image/jpeg", encode_jpeg(shown))),
                 fmt::format("The picture, {} x {}.", stimuli.picture.width, stimuli.picture.height));
  if (seen.map.defined()) {
    const Image map = shrink_to(heat_map(stimuli.picture, seen.map, seen.view), kShown);
    html += figure(fmt::format("<img alt=\"class activation map of {}\" src=\"{}\">", html_escape(best),
                               data_uri("image/jpeg", encode_jpeg(map))),
                   fmt::format("Global-Net: where {} is seen (class activation map); pale is cut off.", html_escape(best)));
  } else if (seen.branches[0].silent.empty()) {
    html += no_picture("Global-Net", fmt::format(": {} gives no class activation map", model.config.model.backbone));
  } else {
    html += silent("Global-Net", seen.branches[0].silent);
  }
  std::string below;
  if (seen.branches[1].silent.empty()) {
    auto [panel, rest] = regions_part(stimuli, seen, number);
    html += panel;
    below = std::move(rest);
  } else {
    html += silent("Semantic-Net", seen.branches[1].silent);
  }
  if (seen.branches[2].silent.empty()) {
    html += figure(
        fmt::format("<img class=\"face\" alt=\"the aligned face\" src=\"{}\">", data_uri("image/png", encode_png(*stimuli.face))),
        "Expression-Net: the largest face, aligned.");
  } else {
    html += silent("Expression-Net", seen.branches[2].silent);
  }
  return html + "</div>\n" + below + "</section>\n";
}

std::string explanation_page(const TrainedStimuliNet& model, const std::string& sections) {
  const std::string intro = fmt::format("<p>Network: {}. Branches: {}.</p>\n", html_escape(model.file.string()),
                                        fmt::join(model.config.model.branches, ", "));
  return html_page("What the network looked at", intro + sections, kStyle);
}

}  // namespace emotion
