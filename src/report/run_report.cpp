#include "emotion/report/run_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMatrixClasses = 40;  // more do not fit a page: the most confused pairs are listed

/// metrics.jsonl: the lines of one split, in order.
struct Lines {
  std::vector<Json> train, val;
};

Lines read_lines(const fs::path& file) {
  Lines lines;
  if (!fs::exists(file)) return lines;
  const std::string text = read_file(file);
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!line.is_object() || !line.contains("split") || !line.contains("step"))
      throw DataError(file.string() + ": a line is no metrics line");
    (line["split"] == "val" ? lines.val : lines.train).push_back(std::move(line));
  }
  return lines;
}

double number(const Json& json) { return json.is_number() ? json.get<double>() : NAN; }
std::string cell(const Json& json) {
  return json.is_number_integer() ? json.dump() : json.is_number() ? fmt::format("{:.4f}", json.get<double>()) : "–";
}

Curve curve(const std::string& name, const std::vector<Json>& lines, const std::string& key) {
  Curve result{name, {}};
  for (const Json& line : lines) {
    if (line.contains(key)) result.points.emplace_back(number(line["step"]), number(line[key]));
  }
  return result;
}

/// The keys of a split's lines that begin with `prefix`, in the order they stand there.
std::vector<std::string> keys_with(const std::vector<Json>& lines, const std::string& prefix) {
  std::vector<std::string> keys;
  if (lines.empty()) return keys;
  for (const auto& [key, value] : lines.back().items()) {
    if (key.starts_with(prefix)) keys.push_back(key);
  }
  return keys;
}

std::string section(const std::string& title, const std::string& content) {
  return content.empty() ? "" : fmt::format("<section><h2>{}</h2>\n{}</section>\n", html_escape(title), content);
}

std::string curves(const Lines& lines) {
  std::vector<Curve> losses, metrics;
  for (const auto& key : keys_with(lines.train, "loss")) losses.push_back(curve("train " + key, lines.train, key));
  for (const auto& key : keys_with(lines.val, "loss")) losses.push_back(curve("val " + key, lines.val, key));
  for (const char* key : {"top1", "top5", "balanced_accuracy", "mAP", "polarity_accuracy", "hard_errors", "AP", "AP50"})
    metrics.push_back(curve(key, lines.val, key));
  std::erase_if(metrics, [](const Curve& c) { return c.points.empty(); });
  std::string html = svg_plot("Loss", "step", losses);
  html += svg_plot("Validation", "step", metrics);
  html += svg_plot("Learning rate", "step", {curve("lr", lines.train, "lr")});
  html += svg_plot("Samples a second", "step", {curve("samples/s", lines.train, "samples_per_second")});
  return html;
}

/// Every evaluation as a table: the numbers behind the curves.
std::string evaluations(const Lines& lines) {
  if (lines.val.empty()) return {};
  std::vector<std::string> keys;
  for (const auto& [key, value] : lines.val.back().items()) {
    if (key != "split") keys.push_back(key);
  }
  std::string html = "<div class=\"wide\"><table><tr>";
  for (const auto& key : keys) html += "<th scope=\"col\">" + html_escape(key) + "</th>";
  for (const Json& line : lines.val) {
    html += "</tr>\n<tr>";
    for (const auto& key : keys) html += "<td>" + (line.contains(key) ? cell(line[key]) : "–") + "</td>";
  }
  return html + "</tr></table></div>\n";
}

std::string classes_table(const Json& validation) {
  if (!validation.contains("per_class")) return {};
  std::string html =
      "<div class=\"wide\"><table><tr><th scope=\"col\">class</th><th scope=\"col\">positives</th><th scope=\"col\">average "
      "precision</th>"
      "<th scope=\"col\">precision</th><th scope=\"col\">recall</th><th scope=\"col\">F1</th></tr>\n";
  for (const auto& [name, values] : validation["per_class"].items()) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", html_escape(name));
    for (const char* key : {"positives", "ap", "precision", "recall", "f1"})
      html += "<td>" + cell(values.value(key, Json())) + "</td>";
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

/// Rows = truth. A cell's colour is its part of the row.
std::string confusion_matrix(const std::vector<std::string>& classes, const std::vector<std::vector<std::uint64_t>>& counts) {
  std::string html =
      "<p>Rows are the truth, columns the prediction; darker is a larger part of the row.</p>\n<div class=\"wide\"><table "
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
                          i == j ? "0,114,178" : "213,94,0", part, part > 0.6 ? "#fff" : "#1a1a1a", html_escape(classes[i]),
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
    groups[example["right"]] +=
        fmt::format("<figure>{}<figcaption>{} {:.2f}<br>truth: {}<br><small>{}</small></figcaption></figure>\n",
                    thumbnail_html(images / name, 112, name), html_escape(prediction), number(example["probability"]),
                    html_escape(labels), html_escape(name));
  }
  std::string html;
  if (!groups[true].empty()) html += "<h3>Right, most confident</h3>\n<div class=\"strip\">" + groups[true] + "</div>\n";
  if (!groups[false].empty()) html += "<h3>Wrong, most confident</h3>\n<div class=\"strip\">" + groups[false] + "</div>\n";
  return html;
}

std::string file_text(const fs::path& file) {
  return fs::exists(file) ? fmt::format("<pre>{}</pre>\n", html_escape(read_file(file))) : "";
}

/// The last evaluation in a sentence.
std::string summary(const Lines& lines) {
  std::string html = "<p>";
  if (!lines.val.empty()) {
    const Json& last = lines.val.back();
    html += fmt::format("After step {} (epoch {}): ", cell(last["step"]), cell(last["epoch"]));
    std::vector<std::string> parts;
    for (const char* key : {"top1", "balanced_accuracy", "mAP", "AP50", "loss"}) {
      if (last.contains(key)) parts.push_back(fmt::format("{} <strong>{}</strong>", key, cell(last[key])));
    }
    html += fmt::format("{}", fmt::join(parts, ", "));
  } else if (!lines.train.empty()) {
    html += fmt::format("After step {}: loss <strong>{}</strong>", cell(lines.train.back()["step"]),
                        cell(lines.train.back()["loss"]));
  } else {
    html += "Nothing has been measured yet";
  }
  return html + ".</p>\n";
}

}  // namespace

void write_run_report(const fs::path& run, const fs::path& images) {
  try {
    const Lines lines = read_lines(run / "metrics.jsonl");
    const fs::path file = run / "validation.json";
    const Json validation = fs::exists(file) ? Json::parse(read_file(file)) : Json::object();
    std::string body = summary(lines);
    body += section("Curves", curves(lines));
    body += section("Evaluations", evaluations(lines));
    body += section("Classes, last evaluation", classes_table(validation));
    body += section("Confusion, last evaluation", confusion(validation));
    body += section("Examples, last evaluation", examples(validation, images));
    body += section("Configuration", file_text(run / "config.yaml"));
    body += section("Log", file_text(run / "log.txt"));
    body += fmt::format("<footer>emotion {}</footer>\n", EMOTION_VERSION);
    write_file_atomically(run / "report.html", html_page(run.lexically_normal().string(), body));
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: a file of the run cannot be read: {}", run.string(), error.what()));
  }
}

}  // namespace emotion
