#include "emotion/report/evaluation_page.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/report/plot.h"

namespace emotion {
namespace {

constexpr std::size_t kMatrixClasses = 40;  // more do not fit a page; confusion.csv has them all

std::string cell(double value) { return std::isnan(value) ? "–" : fmt::format("{:.4f}", value); }

std::string figures(const EvaluationSummary& r) {
  const MetricIntervals intervals = r.intervals.value_or(MetricIntervals{{NAN, NAN}, {NAN, NAN}, {NAN, NAN}, {NAN, NAN}});
  std::string html =
      "<table><tr><th scope=\"col\">metric</th><th scope=\"col\">value</th><th scope=\"col\">95 % interval</th></tr>\n";
  const auto row = [&](const char* name, double value, const Interval& i) {
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", name, cell(value),
                        std::isnan(i.low) ? "–" : cell(i.low) + " to " + cell(i.high));
  };
  row("top1", r.metrics.top1, intervals.top1);
  row("top5", r.metrics.top5, intervals.top5);
  row("balanced accuracy", r.metrics.balanced_accuracy, intervals.balanced_accuracy);
  row("mAP", r.metrics.mean_average_precision, intervals.mean_average_precision);
  const Interval none{NAN, NAN};
  if (!std::isnan(r.metrics.polarity_accuracy)) {
    row("right polarity", r.metrics.polarity_accuracy, none);
    row("easy errors (right polarity)", r.metrics.easy_errors, none);
    row("hard errors (wrong polarity)", r.metrics.hard_errors, none);
  }
  if (r.calibration) row("expected calibration error", r.calibration->expected_error, none);
  html += "</table>\n";
  if (r.comparison) {
    const McNemar& m = *r.comparison;
    html += fmt::format(
        "<p>Against {}: both right {}, this alone {}, the other alone {}, neither {}; McNemar ({}) p = {:.4g}.</p>\n",
        html_escape(r.compared_with), m.both, m.only_first, m.only_second, m.neither, m.exact ? "exact" : "chi-square", m.p);
  }
  return html;
}

std::string classes(const EvaluationSummary& r) {
  std::string html =
      "<div class=\"wide\"><table><tr><th scope=\"col\">class</th><th scope=\"col\">positives</th><th scope=\"col\">AP</th><th "
      "scope=\"col\">precision</th><th scope=\"col\">recall</th></tr>\n";
  for (std::size_t k = 0; k < r.classes.size(); ++k) {
    const ClassMetrics& m = r.metrics.per_class[k];
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        html_escape(r.classes[k]), m.positives, cell(m.average_precision), cell(m.precision), cell(m.recall));
  }
  return html + "</table></div>\n";
}

std::string confusion(const EvaluationSummary& r) {
  if (r.classes.size() > kMatrixClasses) return "<p>confusion.csv beside this page has the counts.</p>\n";
  std::string html = "<p>Rows are the truth.</p><div class=\"wide\"><table class=\"matrix\"><tr><td></td>";
  for (const auto& name : r.classes) html += fmt::format("<th scope=\"col\"><span>{}</span></th>", html_escape(name));
  html += "</tr>\n";
  for (std::size_t i = 0; i < r.classes.size(); ++i) {
    std::uint64_t sum = 0;
    for (std::size_t j = 0; j < r.classes.size(); ++j) sum += r.metrics.confusion(i, j);
    html += fmt::format("<tr><th scope=\"row\">{}</th>", html_escape(r.classes[i]));
    for (std::size_t j = 0; j < r.classes.size(); ++j) {
      const double part = sum ? static_cast<double>(r.metrics.confusion(i, j)) / static_cast<double>(sum) : 0;
      html += fmt::format("<td style=\"background:rgba({},{:.2f})\">{}</td>", i == j ? "0,114,178" : "213,94,0", 0.8 * part,
                          r.metrics.confusion(i, j));
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string reliability(const Calibration& calibration) {
  Curve accuracy{"accuracy", {}}, ideal{"confidence = accuracy", {{0, 0}, {1, 1}}};
  std::string table =
      "<table><tr><th scope=\"col\">confidence</th><th scope=\"col\">accuracy</th><th scope=\"col\">samples</th></tr>\n";
  for (const auto& bin : calibration.bins) {
    if (bin.count == 0) continue;
    accuracy.points.emplace_back(bin.confidence, bin.accuracy);
    table += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", cell(bin.confidence), cell(bin.accuracy), bin.count);
  }
  return svg_plot("Reliability", "confidence", {accuracy, ideal}) + table + "</table>\n";
}

int polarity_of(const EvaluationSummary& r, const std::string& name) {
  const auto found = std::find(r.classes.begin(), r.classes.end(), name);
  const auto k = static_cast<std::size_t>(found - r.classes.begin());
  return k < r.predictions.polarity.size() ? r.predictions.polarity[k] : 0;
}

std::string examples(const EvaluationSummary& r, const std::filesystem::path& images) {
  std::string right, wrong;
  for (const Example& e : r.examples) {
    std::string kind;
    if (!e.right && !e.labels.empty() && !r.predictions.polarity.empty())
      kind = polarity_of(r, e.prediction) == polarity_of(r, e.labels[0]) ? ", easy error" : ", hard error";
    (e.right ? right : wrong) +=
        fmt::format("<figure>{}<figcaption>{} {:.2f}{}<br>truth: {}<br><small>{}</small></figcaption></figure>\n",
                    thumbnail_html(images / e.image, 112, e.image), html_escape(e.prediction), e.probability, kind,
                    html_escape(fmt::format("{}", fmt::join(e.labels, ", "))), html_escape(e.image));
  }
  return "<h3>Right</h3>\n<div class=\"strip\">" + right + "</div>\n<h3>Wrong</h3>\n<div class=\"strip\">" + wrong + "</div>\n";
}

std::string section(const char* title, const std::string& content) {
  return fmt::format("<section><h2>{}</h2>\n{}</section>\n", title, content);
}

}  // namespace

void write_evaluation_page(const std::filesystem::path& file, const EvaluationSummary& r, const std::filesystem::path& images) {
  std::string body = fmt::format("<p>{} samples, {} classes.</p>\n", r.predictions.size(), r.classes.size()) + figures(r);
  if (r.calibration) body += section("Calibration", reliability(*r.calibration));
  body += section("Classes", classes(r)) + section("Confusion", confusion(r));
  if (!images.empty()) body += section("Most confident predictions", examples(r, images));
  write_file_atomically(file, html_page(r.title, body));
}

}  // namespace emotion
