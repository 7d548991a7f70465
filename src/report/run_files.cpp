#include "run_files.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/tensorboard.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// "train" or "val" for the words that people use for them; empty for others.
std::string split_word(std::string_view word) {
  if (one_of(word, {"train", "training"})) return "train";
  return one_of(word, {"val", "valid", "validation", "eval", "test"}) ? "val" : "";
}

/// The split and the name in a tag.
std::pair<std::string, std::string> read_tag(std::string tag) {
  for (char& c : tag) c = c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string split, name = tag;
  if (const auto first = tag.find('/'), last = tag.rfind('/'); first != std::string::npos) {
    if (split = split_word(tag.substr(0, first)); !split.empty())
      name = tag.substr(first + 1);
    else if (split = split_word(tag.substr(last + 1)); !split.empty())
      name = tag.substr(0, last);
  }
  return {split.empty() ? "train" : split, one_of(name, {"accuracy", "acc"}) ? "top1" : name};
}

}  // namespace

MetricLines read_metric_lines(const fs::path& run) {
  MetricLines lines;
  const fs::path file = run / "metrics.jsonl";
  if (!fs::exists(file)) return lines;
  const std::string text = read_file(file);
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!line.is_object() || !line.contains("split") || !line.contains("step") || !line.at("step").is_number())
      throw DataError(file.string() + ": a line is no metrics line");
    (line.at("split") == "val" ? lines.val : lines.train).push_back(std::move(line));
  }
  return lines;
}

MetricLines read_event_lines(const fs::path& run) {
  std::map<std::int64_t, Json> train, val;
  for (const EventScalar& scalar : read_event_folder(run)) {
    const auto [split, name] = read_tag(scalar.tag);
    Json& line = (split == "val" ? val : train)[scalar.step];
    if (line.is_null()) line = {{"split", split}, {"step", scalar.step}};
    if (name != "split" && name != "step") line[name] = scalar.value;
  }
  MetricLines lines;
  for (auto& [step, line] : train) lines.train.push_back(std::move(line));
  for (auto& [step, line] : val) lines.val.push_back(std::move(line));
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
    if (line.contains(key)) result.points.emplace_back(number_of(line.at("step")), number_of(line.at(key)));
  }
  return result;
}

std::vector<std::string> keys_with(const std::vector<Json>& lines, const std::string& prefix) {
  std::vector<std::string> keys;
  for (const Json& line : lines) {
    for (const auto& [key, value] : line.items()) {
      if (key.starts_with(prefix) && std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace emotion
