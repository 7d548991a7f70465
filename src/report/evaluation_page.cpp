#include "emotion/report/evaluation_page.h"

#include <cmath>

#include <fmt/format.h>

#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "emotion/report/plot.h"
#include "prediction_sections.h"

namespace emotion {
namespace {

std::string cell(double value) { return std::isnan(value) ? "–" : fmt::format("{:.4f}", value); }

std::string figures(const EvaluationSummary& r) {
  const MetricIntervals intervals = r.intervals.value_or(MetricIntervals{});
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](const char* name, double value, const Interval& i) {
    rows.push_back({name, cell(value), std::isnan(i.low) ? "–" : cell(i.low) + " to " + cell(i.high)});
  };
  row("top1", r.metrics.top1, intervals.top1);
  row("top2", r.metrics.top2, intervals.top2);
  row("top5", r.metrics.top5, intervals.top5);
  row("balanced accuracy", r.metrics.balanced_accuracy, intervals.balanced_accuracy);
  row("mAP", r.metrics.mean_average_precision, intervals.mean_average_precision);
  if (!std::isnan(r.metrics.polarity_accuracy)) {
    row("right polarity", r.metrics.polarity_accuracy, intervals.polarity_accuracy);
    row("easy errors (right polarity)", r.metrics.easy_errors, intervals.easy_errors);
    row("hard errors (wrong polarity)", r.metrics.hard_errors, intervals.hard_errors);
  }
  if (r.calibration) row("expected calibration error", r.calibration->expected_error, intervals.expected_error);
  std::string html = html_table({"metric", "value", "95 % interval"}, rows);
  if (r.comparison) {
    const McNemar& m = *r.comparison;
    html += fmt::format(
        "<p>Against {}: both right {}, this alone {}, the other alone {}, neither {}; McNemar ({}) p = {:.4g}.</p>\n",
        html_escape(r.compared_with), m.both, m.only_first, m.only_second, m.neither, m.exact ? "exact" : "chi-square", m.p);
  }
  return html;
}

std::string reliability(const Calibration& calibration) {
  Curve accuracy{"accuracy", {}}, ideal{"confidence = accuracy", {{0, 0}, {1, 1}}};
  std::vector<std::vector<std::string>> rows;
  for (const auto& bin : calibration.bins) {
    if (bin.count == 0) continue;
    accuracy.points.emplace_back(bin.confidence, bin.accuracy);
    rows.push_back({cell(bin.confidence), cell(bin.accuracy), std::to_string(bin.count)});
  }
  return "<div class=\"plots\">" + svg_plot("Reliability", "confidence", {accuracy, ideal}) + "<div>" +
         html_table({"mean confidence", "accuracy", "samples"}, rows) + "</div></div>\n";
}

}  // namespace

void write_evaluation_page(const std::filesystem::path& file, const EvaluationSummary& r, const std::filesystem::path& images) {
  const Json metrics = Json::parse(metrics_json(r.metrics, r.classes, r.predictions.size(), r.examples));
  HtmlParts page;
  page.add("Figures", figures(r));
  if (r.calibration) page.add("Calibration", reliability(*r.calibration));
  page.add("Classes", classes_html(metrics));
  page.add("Confusion", confusion_html(metrics));
  page.add("Most confident predictions", examples_html(metrics, images));
  write_file_atomically(
      file,
      html_page(r.title, fmt::format("<p>{} samples, {} classes.</p>\n", r.predictions.size(), r.classes.size()) + page.html()));
}

}  // namespace emotion
