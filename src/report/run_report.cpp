#include "emotion/report/run_report.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "run_files.h"
#include "run_sections.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMatrixClasses = 40;  // more do not fit a page: the most confused pairs are listed

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
  std::vector<std::string> keys;
  for (const auto& [key, value] : lines.val.back().items()) {
    if (key != "split") keys.push_back(key);
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& line : lines.val) {
    auto& row = rows.emplace_back();
    for (const auto& key : keys) row.push_back(line.contains(key) ? cell_text(line[key]) : "–");
  }
  return html_details(fmt::format("{} evaluations, every figure", rows.size()), html_table(keys, rows));
}

std::string classes_table(const Json& validation) {
  if (!validation.contains("per_class")) return {};
  std::vector<std::pair<std::string, double>> precision;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, values] : validation["per_class"].items()) {
    precision.emplace_back(name, number_of(values.value("ap", Json())));
    auto& row = rows.emplace_back(std::vector<std::string>{name});
    for (const char* key : {"positives", "ap", "precision", "recall", "f1"}) row.push_back(cell_text(values.value(key, Json())));
  }
  const std::string table = html_table({"class", "positives", "average precision", "precision", "recall", "F1"}, rows);
  if (rows.size() > kMatrixClasses) return html_details(fmt::format("{} classes", rows.size()), table);
  return "<div class=\"plots\">" + svg_bars("Average precision", precision, 1) + "<div>" + table + "</div></div>\n";
}

/// Rows = truth. A cell's colour is its part of the row.
std::string confusion_matrix(const std::vector<std::string>& classes, const std::vector<std::vector<std::uint64_t>>& counts) {
  std::string html =
      "<p>Rows are the truth, columns the prediction; darker is a larger part of the row.</p>\n<div class=\"wide\" "
      "tabindex=\"0\"><table "
      "class=\"matrix\"><tr><td></td>";
  for (const auto& name : classes) html += fmt::format("<th scope=\"col\"><span>{}</span></th>", html_escape(name));
  html += "</tr>\n";
  for (std::size_t i = 0; i < classes.size(); ++i) {
    std::uint64_t sum = 0;
    for (const auto count : counts[i]) sum += count;
    html += fmt::format("<tr><th scope=\"row\">{}</th>", html_escape(classes[i]));
    for (std::size_t j = 0; j < classes.size(); ++j) {
      const double part = sum ? static_cast<double>(counts[i][j]) / static_cast<double>(sum) : 0;
      html += fmt::format("<td style=\"background:rgba({},{:.2f});color:{}\" title=\"{} predicted as {}\">{}</td>",
                          i == j ? "var(--hit)" : "var(--miss)", part, part > 0.6 ? "#fff" : "inherit", html_escape(classes[i]),
                          html_escape(classes[j]), counts[i][j] ? std::to_string(counts[i][j]) : "");
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string confused_pairs(const std::vector<std::string>& classes, const std::vector<std::vector<std::uint64_t>>& counts) {
  std::vector<std::array<std::uint64_t, 3>> pairs;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    for (std::size_t j = 0; j < classes.size(); ++j) {
      if (i != j && counts[i][j]) pairs.push_back({counts[i][j], i, j});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a[0] > b[0]; });
  pairs.resize(std::min<std::size_t>(pairs.size(), 25));
  std::string html = fmt::format(
      "<p>{} classes: the most frequent confusions.</p>\n<table><tr><th scope=\"col\">truth</th><th "
      "scope=\"col\">prediction</th><th scope=\"col\">samples</th></tr>\n",
      classes.size());
  for (const auto& [count, i, j] : pairs)
    html += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", html_escape(classes[i]), html_escape(classes[j]), count);
  return html + "</table>\n";
}

std::string confusion(const Json& validation) {
  if (!validation.contains("confusion")) return {};
  if (validation.contains("confusion_wheel")) {
    const Json& wheel = validation["confusion_wheel"];
    return "<p>In the order of Mikels' wheel: four positive emotions, then four negative ones.</p>\n" +
           confusion_matrix(wheel["classes"].get<std::vector<std::string>>(),
                            wheel["counts"].get<std::vector<std::vector<std::uint64_t>>>());
  }
  const auto classes = validation["classes"].get<std::vector<std::string>>();
  const auto counts = validation["confusion"].get<std::vector<std::vector<std::uint64_t>>>();
  return classes.size() <= kMatrixClasses ? confusion_matrix(classes, counts) : confused_pairs(classes, counts);
}

std::string examples(const Json& validation, const fs::path& images) {
  if (images.empty() || !validation.contains("examples")) return {};
  std::map<bool, std::string> groups;
  for (const Json& example : validation["examples"]) {
    const std::string name = example["image"], prediction = example["prediction"];
    const std::string labels = fmt::format("{}", fmt::join(example["labels"].get<std::vector<std::string>>(), ", "));
    groups[example["right"]] += fmt::format("<figure>{}<figcaption><b>{}</b> {:.2f}<br>truth: {}<br>{}</figcaption></figure>\n",
                                            thumbnail_html(images / name, 112, name), html_escape(prediction),
                                            number_of(example["probability"]), html_escape(labels), html_escape(name));
  }
  std::string html;
  if (!groups[true].empty()) html += "<h3>Right, most confident</h3>\n<div class=\"strip\">" + groups[true] + "</div>\n";
  if (!groups[false].empty()) html += "<h3>Wrong, most confident</h3>\n<div class=\"strip\">" + groups[false] + "</div>\n";
  return html;
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
                  cell_text(last["step"]), cell_text(last.value("epoch", Json())));
  for (const char* key : {"top1", "top5", "balanced_accuracy", "mAP", "AP50", "polarity_accuracy", "hard_errors", "loss"}) {
    if (last.contains(key)) html += fmt::format("<li><strong>{}</strong><span>{}</span></li>\n", cell_text(last[key]), key);
  }
  return html + "</ul>\n";
}

/// Headings with places to jump to, and the list of them.
class Page {
 public:
  void add(const std::string& title, const std::string& content) {
    if (content.empty()) return;
    const std::string id = fmt::format("part-{}", ++parts_);
    contents_ += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", id, html_escape(title));
    body_ += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", id, html_escape(title), content);
  }
  std::string html(const std::string& head) const {
    return head + "<nav aria-label=\"Contents\"><ul>\n" + contents_ + "</ul></nav>\n" + body_;
  }

 private:
  int parts_ = 0;
  std::string contents_, body_;
};

}  // namespace

void write_run_report(const fs::path& run, const fs::path& images) {
  try {
    const MetricLines lines = read_metric_lines(run);
    const Json validation = read_run_json(run / "validation.json");
    const Json features = read_run_json(run / "features.json");
    Page page;
    page.add("Curves", curves(lines) + evaluations(lines));
    page.add("Classes", classes_table(validation));
    page.add("Confusion", confusion(validation));
    page.add("Best and worst predictions", examples(validation, images));
    page.add("Nearest pictures", nearest_pictures_html(features, images));
    page.add("Map of the features", feature_map_html(features));
    page.add("Data", data_html(read_run_json(run / "data.json")));
    page.add("Time", time_html(read_run_json(run / "times.json"), lines, samples_a_step(run)));
    page.add("Configuration", file_text(run / "config.yaml"));
    page.add("Versions", versions_html());
    page.add("Log", html_details("log.txt", file_text(run / "log.txt")));
    write_file_atomically(run / "report.html", html_page(run.lexically_normal().string(), page.html(summary(lines))));
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: a file of the run cannot be read: {}", run.string(), error.what()));
  }
}

}  // namespace emotion
