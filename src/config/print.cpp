#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/config/run_config.h"
#include "fields.h"

namespace emotion {
namespace {

/// Shortest text that reads back as the same double.
std::string to_text(double value) { return fmt::format("{}", value); }
std::string to_text(bool value) { return value ? "true" : "false"; }
template <class T>
std::string to_text(T value) requires std::is_integral_v<T> {
  return fmt::format("{}", value);
}
/// Plain where that is safe, else in double quotes.
std::string to_text(const std::string& value) {
  const bool plain =
      !value.empty() &&
      value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-:") == std::string::npos &&
      std::isalpha(static_cast<unsigned char>(value[0])) && value.back() != ':' && value != "null" && value != "true" &&
      value != "false" && value != "off";
  if (plain) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}
std::string to_text(const std::optional<double>& value) { return value ? to_text(*value) : ""; }
std::string to_text(const std::array<double, 2>& value) { return fmt::format("[{}, {}]", value[0], value[1]); }
std::string to_text(const std::vector<std::string>& value) { return fmt::format("[{}]", fmt::join(value, ", ")); }
std::string to_text(const std::vector<int>& value) { return fmt::format("[{}]", fmt::join(value, ", ")); }
std::string to_text(const std::vector<double>& value) { return fmt::format("[{}]", fmt::join(value, ", ")); }
std::string to_text(const SplitConfig& value) {
  return value ? fmt::format("{{dataset: {}, split: {}}}", to_text(value.dataset), to_text(value.split)) : "";
}

template <class T>
const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (std::is_integral_v<T>) return "integer";
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>>) return "number";
  if constexpr (std::is_same_v<T, std::array<double, 2>>) return "two numbers";
  if constexpr (std::is_same_v<T, std::vector<int>>) return "list of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "list of numbers";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list";
  if constexpr (std::is_same_v<T, SplitConfig>) return "split";
  return "text";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> config_values(const RunConfig& config) {
  std::vector<std::pair<std::string, std::string>> values;
  visit_fields(config, [&](const Field& field, const auto& value) {
    if (field.tasks & task_bit(config.task)) values.emplace_back(field.key, to_text(value));
  });
  return values;
}

std::string print_run_config(const RunConfig& config) {
  std::string yaml;
  std::vector<std::string> open;  // sections the last key stood in
  for (const auto& [key, text] : config_values(config)) {
    if (!is_set(text)) continue;
    std::vector<std::string> sections;
    std::size_t begin = 0;
    for (std::size_t dot; (dot = key.find('.', begin)) != std::string::npos; begin = dot + 1)
      sections.push_back(key.substr(begin, dot - begin));
    std::size_t same = 0;
    while (same < std::min(open.size(), sections.size()) && open[same] == sections[same]) ++same;
    for (std::size_t i = same; i < sections.size(); ++i) yaml += std::string(2 * i, ' ') + sections[i] + ":\n";
    yaml += std::string(2 * sections.size(), ' ') + key.substr(begin) + ": " + text + "\n";
    open = std::move(sections);
  }
  return yaml;
}

std::string run_config_schema() {
  std::string schema;
  RunConfig config;
  visit_fields(config, [&](const Field& field, const auto& value) {
    std::string type = type_name<std::decay_t<decltype(value)>>();
    if (!field.choices.empty()) type = fmt::format("{}", fmt::join(field.choices, " | "));
    const std::string fallback = to_text(value);
    schema += fmt::format("{}: {}; default {}; tasks {}; {}\n", field.key, range_text(field.range, type.c_str()),
                          is_set(fallback) ? fallback : "none", task_names(field.tasks), field.meaning);
  });
  return schema;
}

}  // namespace emotion
