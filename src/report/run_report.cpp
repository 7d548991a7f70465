#include "emotion/report/run_report.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "prediction_sections.h"
#include "run_files.h"
#include "run_sections.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

std::string curves(const MetricLines& lines) {
  std::vector<Curve> losses, metrics;
  for (const auto& key : keys_with(lines.train, "loss")) losses.push_back(curve_of("train " + key, lines.train, key));
  for (const auto& key : keys_with(lines.val, "loss")) losses.push_back(curve_of("val " + key, lines.val, key));
  for (const char* key : {"top1", "top5", "balanced_accuracy", "mAP", "polarity_accuracy", "hard_errors", "AP", "AP50"})
    metrics.push_back(curve_of(key, lines.val, key));
  std::erase_if(metrics, [](const Curve& c) { return c.points.empty(); });
  std::string html = svg_plot("Loss", "step", losses);
  html += svg_plot("Validation", "step", metrics);
  html += svg_plot("Learning rate", "step", {curve_of("lr", lines.train, "lr")});
  html += svg_plot("Samples a second", "step", {curve_of("samples/s", lines.train, "samples_per_second")});
  return html.empty() ? "" : "<div class=\"plots\">" + html + "</div>\n";
}

/// Every evaluation as a table: the numbers behind the curves.
std::string evaluations(const MetricLines& lines) {
  if (lines.val.empty()) return {};
  std::vector<std::string> keys = keys_with(lines.val, "");
  std::erase(keys, "split");
  std::vector<std::vector<std::string>> rows;
  for (const Json& line : lines.val) {
    auto& row = rows.emplace_back();
    for (const auto& key : keys) row.push_back(line.contains(key) ? cell_text(line[key]) : "–");
  }
  return html_details(fmt::format("{} evaluations, every figure", rows.size()), html_table(keys, rows));
}

/// Samples that one step of the run takes; 0 if its config cannot be read.
double samples_a_step(const fs::path& run) {
  const fs::path file = run / "config.yaml";
  if (!fs::exists(file)) return 0;
  const RunConfig config = parse_run_config(read_file(file), file.string());
  return static_cast<double>(config.train.batch) * config.train.accumulate;
}

std::string file_text(const fs::path& file) {
  return fs::exists(file) ? fmt::format("<pre>{}</pre>\n", html_escape(read_file(file))) : "";
}

/// The last evaluation: its figures large.
std::string summary(const MetricLines& lines) {
  const bool evaluated = !lines.val.empty();
  if (!evaluated && lines.train.empty()) return "<p>Nothing has been measured yet.</p>\n";
  const Json& last = evaluated ? lines.val.back() : lines.train.back();
  std::string html =
      fmt::format("<p>{} after step {}, epoch {}.</p>\n<ul class=\"figures\">\n", evaluated ? "Last evaluation," : "Training,",
                  cell_text(last.at("step")), cell_text(last.value("epoch", Json())));
  for (const char* key : {"top1", "top5", "balanced_accuracy", "mAP", "AP50", "polarity_accuracy", "hard_errors", "loss"}) {
    if (last.contains(key)) html += fmt::format("<li><strong>{}</strong><span>{}</span></li>\n", cell_text(last[key]), key);
  }
  return html + "</ul>\n";
}

}  // namespace

void write_run_report(const fs::path& run, const fs::path& images) {
  try {
    const MetricLines lines = read_metric_lines(run);
    const Json validation = read_run_json(run / "validation.json");
    const Json features = read_run_json(run / "features.json");
    HtmlParts page;
    page.add("Curves", curves(lines) + evaluations(lines));
    page.add("Classes", classes_html(validation));
    page.add("Confusion", confusion_html(validation));
    page.add("Best and worst predictions", examples_html(validation, images));
    page.add("Nearest pictures", nearest_pictures_html(features, images));
    page.add("Map of the features", feature_map_html(features));
    page.add("Data", data_html(read_run_json(run / "data.json")));
    page.add("Time", time_html(read_run_json(run / "times.json"), lines, samples_a_step(run)));
    page.add("Configuration", file_text(run / "config.yaml"));
    page.add("Versions", versions_html());
    page.add("Log", html_details("log.txt", file_text(run / "log.txt")));
    write_file_atomically(run / "report.html", html_page(run.lexically_normal().string(), summary(lines) + page.html()));
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: a file of the run cannot be read: {}", run.string(), error.what()));
  }
}

}  // namespace emotion
