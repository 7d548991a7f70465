#include "prediction_sections.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/report/plot.h"

namespace emotion {
namespace {

using Counts = std::vector<std::vector<std::uint64_t>>;

constexpr std::size_t kMatrixClasses = 40;  // more do not fit a page
constexpr std::size_t kWideClasses = 20;    // more take smaller cells to fit its width
constexpr std::size_t kPairs = 25;
constexpr int kThumbnail = 112;  // pixels

/// Rows = truth. A cell's colour is its part of the row.
std::string confusion_matrix(const std::vector<std::string>& classes, const Counts& counts) {
  std::string html = fmt::format(
      "<p>Rows are the truth, columns the prediction; darker is a larger part of the row.</p>\n<div class=\"wide\" "
      "tabindex=\"0\"><table class=\"matrix{}\"><tr><td></td>",
      classes.size() > kWideClasses ? " many" : "");
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

std::string confused_pairs(const std::vector<std::string>& classes, const Counts& counts) {
  std::vector<std::array<std::uint64_t, 3>> pairs;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    for (std::size_t j = 0; j < classes.size(); ++j) {
      if (i != j && counts[i][j]) pairs.push_back({counts[i][j], i, j});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a[0] > b[0]; });
  pairs.resize(std::min(pairs.size(), kPairs));
  std::vector<std::vector<std::string>> rows;
  for (const auto& [count, i, j] : pairs) rows.push_back({classes[i], classes[j], std::to_string(count)});
  return fmt::format("<p>{} classes: the most frequent confusions.</p>\n", classes.size()) +
         html_table({"truth", "prediction", "samples"}, rows);
}

}  // namespace

std::string classes_html(const Json& metrics) {
  if (!metrics.contains("per_class")) return {};
  std::vector<std::pair<std::string, double>> precision;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, values] : metrics.at("per_class").items()) {
    precision.emplace_back(name, number_of(values.value("ap", Json())));
    auto& row = rows.emplace_back(std::vector<std::string>{name});
    for (const char* key : {"positives", "ap", "precision", "recall", "f1"}) row.push_back(cell_text(values.value(key, Json())));
  }
  const std::string table = html_table({"class", "positives", "AP", "precision", "recall", "F1"}, rows);
  if (rows.size() > kMatrixClasses) return html_details(fmt::format("{} classes", rows.size()), table);
  return "<div class=\"plots\">" + svg_bars("Average precision (AP)", precision, 1) + "<div>" + table + "</div></div>\n";
}

std::string confusion_html(const Json& metrics) {
  if (!metrics.contains("confusion")) return {};
  const std::string note =
      metrics.contains("note") ? "<p>" + html_escape(metrics.at("note").get<std::string>()) + "</p>\n" : std::string();
  if (metrics.contains("confusion_wheel")) {
    const Json& wheel = metrics.at("confusion_wheel");
    return note + "<p>In the order of Mikels' wheel: four positive emotions, then four negative ones.</p>\n" +
           confusion_matrix(wheel.at("classes").get<std::vector<std::string>>(), wheel.at("counts").get<Counts>());
  }
  const auto classes = metrics.at("classes").get<std::vector<std::string>>();
  const auto counts = metrics.at("confusion").get<Counts>();
  return note + (classes.size() <= kMatrixClasses ? confusion_matrix(classes, counts) : confused_pairs(classes, counts));
}

std::string examples_html(const Json& metrics, const std::filesystem::path& images) {
  if (images.empty() || !metrics.contains("examples")) return {};
  std::map<bool, std::string> groups;
  for (const Json& example : metrics.at("examples")) {
    const std::string name = example.at("image"), prediction = example.at("prediction"), error = example.value("error", "");
    const std::string labels = fmt::format("{}", fmt::join(example.at("labels").get<std::vector<std::string>>(), ", "));
    const std::string sure = example.contains("cosine") ? fmt::format("cosine {:.2f}", number_of(example.at("cosine")))
                                                        : fmt::format("{:.2f}", number_of(example.at("probability")));
    groups[example.at("right")] +=
        fmt::format("<figure>{}<figcaption><b>{}</b> {}{}<br>truth: {}<br>{}</figcaption></figure>\n",
                    thumbnail_html(images / name, kThumbnail, name), html_escape(prediction), sure,
                    error.empty() ? "" : ", " + html_escape(error) + " error", html_escape(labels), html_escape(name));
  }
  std::string html;
  if (!groups[true].empty()) html += "<h3>Right, most confident</h3>\n<div class=\"strip\">" + groups[true] + "</div>\n";
  if (!groups[false].empty()) html += "<h3>Wrong, most confident</h3>\n<div class=\"strip\">" + groups[false] + "</div>\n";
  return html;
}

}  // namespace emotion
