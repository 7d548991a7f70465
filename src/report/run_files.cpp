#include "run_files.h"

#include <cmath>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace fs = std::filesystem;

MetricLines read_metric_lines(const fs::path& run) {
  MetricLines lines;
  const fs::path file = run / "metrics.jsonl";
  if (!fs::exists(file)) return lines;
  const std::string text = read_file(file);
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!line.is_object() || !line.contains("split") || !line.contains("step") || !line["step"].is_number())
      throw DataError(file.string() + ": a line is no metrics line");
    (line["split"] == "val" ? lines.val : lines.train).push_back(std::move(line));
  }
  return lines;
}

Json read_run_json(const fs::path& file) {
  if (!fs::exists(file)) return Json::object();
  try {
    return Json::parse(read_file(file));
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: cannot be read: {}", file.string(), error.what()));
  }
}

double number_of(const Json& json) { return json.is_number() ? json.get<double>() : NAN; }

std::string cell_text(const Json& json) {
  return json.is_number_integer() ? json.dump() : json.is_number() ? fmt::format("{:.4f}", json.get<double>()) : "–";
}

Curve curve_of(const std::string& name, const std::vector<Json>& lines, const std::string& key) {
  Curve result{name, {}};
  for (const Json& line : lines) {
    if (line.contains(key)) result.points.emplace_back(number_of(line["step"]), number_of(line[key]));
  }
  return result;
}

std::vector<std::string> keys_with(const std::vector<Json>& lines, const std::string& prefix) {
  std::vector<std::string> keys;
  if (lines.empty()) return keys;
  for (const auto& [key, value] : lines.back().items()) {
    if (key.starts_with(prefix)) keys.push_back(key);
  }
  return keys;
}

}  // namespace emotion
