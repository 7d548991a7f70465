#include "run_sections.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <torch/version.h>
#include <opencv2/core/version.hpp>

#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/report/plot.h"
#include "emotion/version.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMapClasses = 16, kBarClasses = 40;
constexpr int kThumbnail = 112;  // pixels

/// The classes that most points have, the others together.
std::vector<PointGroup> groups_of(const Json& features, const char* which) {
  const auto classes = features.at("classes").get<std::vector<std::string>>();
  const auto images = features.at("images").get<std::vector<std::string>>();
  const auto points = features.at(which).get<std::vector<std::array<double, 2>>>();
  std::vector<std::pair<std::size_t, std::string>> counts;
  for (const auto& name : classes) {
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& count) { return count.second == name; });
    if (found == counts.end())
      counts.emplace_back(1, name);
    else
      ++found->first;
  }
  std::sort(counts.begin(), counts.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  const bool others = counts.size() > kMapClasses;
  if (others) counts.resize(kMapClasses - 1);
  std::vector<PointGroup> groups;
  for (const auto& [count, name] : counts) groups.push_back({name, {}, {}});
  if (others) groups.push_back({"others", {}, {}});
  for (std::size_t i = 0; i < points.size() && i < classes.size() && i < images.size(); ++i) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.name == classes[i]; });
    PointGroup& group = found == groups.end() ? groups.back() : *found;
    group.points.push_back(points[i]);
    group.titles.push_back(classes[i] + ": " + images[i]);
  }
  return groups;
}

std::string seconds_text(double seconds) {
  const auto s = static_cast<long>(std::lround(std::max(0.0, seconds)));
  return s >= 3600 ? fmt::format("{} h {:02} min", s / 3600, s / 60 % 60)
         : s >= 60 ? fmt::format("{} min {:02} s", s / 60, s % 60)
                   : fmt::format("{:.1f} s", std::max(0.0, seconds));
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

std::string feature_map_html(const Json& features) {
  if (!features.contains("principal")) return {};
  const double first = number_of(features.at("explained").at(0)), second = number_of(features.at("explained").at(1));
  std::string html = fmt::format(
      "<p>{} validation pictures as the best network sees them; a point is a picture, its colour the class. The first map keeps "
      "directions, and shows {:.0f} % of the variance; the second keeps neighbours, and its far distances mean nothing.</p>\n"
      "<div class=\"plots\">",
      features.at("principal").size(), 100 * (first + second));
  html += svg_map("Principal components", groups_of(features, "principal"));
  html += svg_map("Neighbours (t-SNE)", groups_of(features, "neighbours"));
  return html + "</div>\n";
}

std::string nearest_pictures_html(const Json& features, const fs::path& images) {
  if (images.empty() || !features.contains("nearest")) return {};
  const auto figure = [&](std::size_t row, const std::string& kind, const std::string& query_class) {
    const std::string name = features.at("images").at(row), label = features.at("classes").at(row);
    const bool same = !features.value("single", true) || label == query_class;
    return fmt::format("<figure class=\"{}\">{}<figcaption><b>{}</b>{}<br>{}</figcaption></figure>\n", kind,
                       thumbnail_html(images / name, kThumbnail, name), html_escape(label),
                       kind == "query" ? ", asked for"
                       : same          ? ""
                                       : ", another class",
                       html_escape(name));
  };
  std::string html = "<p>The first picture of a row, and those whose features have the largest cosine with its own.</p>\n";
  for (const Json& entry : features.at("nearest")) {
    const auto query = entry.at("query").get<std::size_t>();
    const std::string label = features.at("classes").at(query);
    html += "<div class=\"strip\">" + figure(query, "query", label);
    for (const auto row : entry.at("rows").get<std::vector<std::size_t>>()) html += figure(row, "near", label);
    html += "</div>\n";
  }
  return html;
}

std::string data_html(const Json& data) {
  if (!data.contains("train")) return {};
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, split] : data.items()) {
    const double n = std::max(1.0, number_of(split.at("samples")));
    const auto mean = [n, &line = split](const char* key) { return fmt::format("{:.2f}", number_of(line.at(key)) / n); };
    std::string samples = cell_text(split.at("samples"));
    if (split.contains("of") && split.at("of") != split.at("samples")) samples += " of " + cell_text(split.at("of"));
    rows.push_back({name, split.at("dataset").get<std::string>() + ", " + split.at("split").get<std::string>(), samples,
                    mean("labels"), mean("keywords"), cell_text(split.at("words")), cell_text(split.at("faces")),
                    cell_text(split.at("regions")), cell_text(split.at("boxes"))});
  }
  std::string html = html_table({"", "data set, split", "samples", "labels a sample", "keywords a sample", "distinct keywords",
                                 "with a face", "with regions", "with a box"},
                                rows);
  if (!data.at("train").contains("classes")) return html;
  std::vector<std::pair<std::string, double>> counts;
  for (const auto& [name, count] : data.at("train").at("classes").items()) counts.emplace_back(name, number_of(count));
  double largest = 1;
  for (const auto& [name, count] : counts) largest = std::max(largest, count);
  if (counts.size() <= kBarClasses) return html + svg_bars("Training samples of each class", counts, largest);
  std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::pair<std::string, double>> ends(counts.begin(), counts.begin() + 15);
  ends.insert(ends.end(), counts.end() - 15, counts.end());
  return html +
         svg_bars(fmt::format("Training samples: the 15 most and 15 least frequent of {} classes", counts.size()), ends, largest);
}

std::string time_html(const Json& times, const MetricLines& lines, double samples_a_step) {
  double training = 0, waiting = 0, last = 0;
  for (const Json& line : lines.train) {
    const double step = number_of(line.at("step")), rate = number_of(line.value("samples_per_second", Json())),
                 waited = number_of(line.value("data_wait", Json()));
    double seconds = number_of(line.value("seconds", Json()));
    // Lines of older versions have the rate alone, which says little of short epochs and several processes.
    if (!std::isfinite(seconds)) seconds = rate > 0 && samples_a_step > 0 ? (step - last) * samples_a_step / rate : 0;
    training += seconds;
    if (std::isfinite(waited)) waiting += waited * seconds;
    last = step;
  }
  if (training <= 0) return {};
  std::vector<std::vector<std::string>> rows{{"training steps", seconds_text(training)},
                                             {"of that, waiting for data", seconds_text(waiting)}};
  if (const double whole = number_of(times.value("seconds", Json())); std::isfinite(whole)) {
    double rest = whole - training;
    for (const auto& [key, name] : {std::pair{"evaluation", "evaluations"}, {"checkpoints", "checkpoints"}}) {
      const double seconds = number_of(times.value(key, Json()));
      if (!std::isfinite(seconds)) continue;
      rows.push_back({name, seconds_text(seconds)});
      rest -= seconds;
    }
    rows.push_back({"the rest: start, this page", seconds_text(rest)});
    rows.push_back({"all", seconds_text(whole)});
  }
  if (const double bytes = number_of(times.value("peak_memory", Json())); std::isfinite(bytes))
    rows.push_back({"peak memory", fmt::format("{:.2f} GB", bytes / 1e9)});
  if (const double bytes = number_of(times.value("peak_device_memory", Json())); std::isfinite(bytes))
    rows.push_back({"peak memory of the GPU", fmt::format("{:.2f} GB", bytes / 1e9)});
  return html_table({"", "time or size"}, rows);
}

std::string versions_html() {
  return html_table({"", "version"},
                    {{"emotion", version()},
                     {"LibTorch", TORCH_VERSION},
                     {"OpenCV", CV_VERSION},
                     {"compiler", __VERSION__},
                     {"processor", fmt::format("{}, {} threads", processor(), std::thread::hardware_concurrency())}});
}

}  // namespace emotion
