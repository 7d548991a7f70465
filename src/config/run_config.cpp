#include "emotion/config/run_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checks.h"
#include "emotion/config/node.h"
#include "emotion/error.h"
#include "emotion/nearest.h"
#include "fields.h"

namespace emotion {
namespace {

class Reader {
 public:
  explicit Reader(const ConfigNode& root) : root_(root) {}

  template <class T>
  void operator()(const Field& field, T& value) {
    if (const ConfigNode* node = find_key(root_, field.key)) read(field, *node, value);
  }

 private:
  [[noreturn]] static void wrong(const Field& field, const ConfigNode& node, const std::string& wanted,
                                 const std::string& advice = "") {
    const char* what = node.kind == ConfigNode::Kind::kSequence  ? "a list"
                       : node.kind == ConfigNode::Kind::kMapping ? "a mapping"
                                                                 : "empty";
    const std::string got = node.kind == ConfigNode::Kind::kScalar ? "'" + node.text + "'" : what;
    throw ConfigError(fmt::format("{}: {} is {}; {} is wanted{}", node.place, field.key, got, wanted, advice));
  }

  template <class Number>
  static Number number(const Field& field, const ConfigNode& node) {
    const std::string wanted = range_text(field.range, std::is_integral_v<Number> ? "an integer" : "a number");
    if (node.kind != ConfigNode::Kind::kScalar) wrong(field, node, wanted);
    Number value{};
    const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
    if (error != std::errc{} || end != node.text.data() + node.text.size()) wrong(field, node, wanted);
    if (!field.range.contains(static_cast<double>(value))) wrong(field, node, wanted);
    return value;
  }

  template <class T>
  static void read(const Field& field, const ConfigNode& node, T& value) requires std::is_arithmetic_v<T> {
    if constexpr (std::is_same_v<T, bool>) {
      if (node.kind != ConfigNode::Kind::kScalar || (node.text != "true" && node.text != "false"))
        wrong(field, node, "true or false");
      value = node.text == "true";
    } else {
      value = number<T>(field, node);
    }
  }

  static void read(const Field& field, const ConfigNode& node, std::string& value) {
    if (node.kind != ConfigNode::Kind::kScalar || node.text.find('\n') != std::string::npos)
      wrong(field, node, "one line of text");
    if (!field.choices.empty() && std::find(field.choices.begin(), field.choices.end(), node.text) == field.choices.end()) {
      wrong(field, node, fmt::format("one of {}", fmt::join(field.choices, ", ")), did_you_mean(node.text, field.choices));
    }
    value = node.text;
  }

  static void read(const Field& field, const ConfigNode& node, std::optional<double>& value) {
    value = number<double>(field, node);
  }

  static void read(const Field& field, const ConfigNode& node, std::array<double, 2>& value) {
    if (node.kind != ConfigNode::Kind::kSequence || node.items.size() != 2) wrong(field, node, "a list of two numbers");
    value = {number<double>(field, node.items[0]), number<double>(field, node.items[1])};
  }

  static void read(const Field& field, const ConfigNode& node, std::vector<int>& value) {
    if (node.kind != ConfigNode::Kind::kSequence) wrong(field, node, "a list of integers");
    value.clear();
    for (const auto& item : node.items) value.push_back(number<int>(field, item));
  }

  static void read(const Field& field, const ConfigNode& node, std::vector<double>& value) {
    if (node.kind != ConfigNode::Kind::kSequence) wrong(field, node, "a list of numbers");
    value.clear();
    for (const auto& item : node.items) value.push_back(number<double>(field, item));
  }

  static void read(const Field& field, const ConfigNode& node, std::vector<std::string>& value) {
    const std::string wanted = fmt::format("a list of {}", fmt::join(field.choices, ", "));
    if (node.kind != ConfigNode::Kind::kSequence) wrong(field, node, wanted);
    value.clear();
    for (const auto& item : node.items) {
      const bool known = item.kind == ConfigNode::Kind::kScalar &&
                         std::find(field.choices.begin(), field.choices.end(), item.text) != field.choices.end();
      if (!known || std::find(value.begin(), value.end(), item.text) != value.end())
        wrong(field, item, wanted + ", each once", known ? "" : did_you_mean(item.text, field.choices));
      value.push_back(item.text);
    }
  }

  static void read(const Field& field, const ConfigNode& node, SplitConfig& value) {
    if (node.kind == ConfigNode::Kind::kNull) {  // `val:` switches an inherited one off
      value = {};
      return;
    }
    if (node.kind != ConfigNode::Kind::kMapping) wrong(field, node, "{dataset: DIR, split: NAME}");
    for (const auto& [part, target] : {std::pair{"dataset", &value.dataset}, std::pair{"split", &value.split}}) {
      const ConfigNode* child = node.find(part);
      if (child && child->kind == ConfigNode::Kind::kScalar && !child->text.empty()) *target = child->text;
      if (target->empty())
        throw ConfigError(
            fmt::format("{}: {}.{} is missing; {{dataset: DIR, split: NAME}} is wanted", node.place, field.key, part));
    }
  }

  const ConfigNode& root_;
};

RunConfig read_values(const ConfigNode& root) {
  RunConfig config;
  Reader reader(root);
  visit_fields(config, reader);
  return config;
}

/// The settings alone. @throws ConfigError for a key that there is not
ConfigNode settings_tree(const std::vector<std::string>& settings) {
  ConfigNode root;
  root.kind = ConfigNode::Kind::kMapping;
  for (const auto& setting : settings) apply_setting(root, setting);
  check_keys(root, "");
  return root;
}

RunConfig read_config(const ConfigNode& root, const std::string& name) {
  const ConfigNode* task = root.find("task");
  check_keys(root, task ? task->text : RunConfig{}.task);
  RunConfig config = read_values(root);
  const ConfigNode* checkpoint = root.find("checkpoint");
  if (config.task == "detector" && !(checkpoint && checkpoint->find("best"))) config.checkpoint.best = "AP";
  check_no_home(root);
  check_together(config, root, name);
  return config;
}

}  // namespace

RunConfig load_run_config(const std::filesystem::path& file, const std::vector<std::string>& settings,
                          const std::vector<std::pair<std::string, std::string>>& flags) {
  ConfigNode root = read_config_file(file);
  for (const auto& setting : settings) apply_setting(root, setting);
  for (const auto& [key, text] : flags) apply_text(root, key, text, fmt::format("--{} {}", key, text));
  return read_config(root, file.string());
}

void check_run_config(const RunConfig& config, const std::string& name) {
  RunConfig defaults;
  defaults.task = config.task;
  const auto values = config_values(config), default_values = config_values(defaults);
  for (std::size_t i = 0; i < values.size(); ++i) {  // what is not printed would be read as its default
    if (!is_set(values[i].second) && is_set(default_values[i].second))
      throw ConfigError(fmt::format("{}: {} is empty; a value is wanted", name, values[i].first));
  }
  read_config(parse_yaml(print_run_config(config), name), name);
}

RunConfig parse_run_config(const std::string& yaml, const std::string& name, const std::vector<std::string>& settings) {
  ConfigNode root = parse_yaml(yaml, name);
  for (const auto& setting : settings) apply_setting(root, setting);
  // The stored text may be of another version; what is set here and now may not be misspelt, nor spoil the pictures.
  const ConfigNode set_now = settings_tree(settings);
  const RunConfig config = read_values(root);
  if (has_picture_key(set_now)) check_pictures(config, root, name);
  return config;
}

bool has_effect(const std::string& setting, const std::string& task) {
  const ConfigNode root = settings_tree({setting});
  try {
    check_keys(root, task);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

RunConfig parse_settings(const std::vector<std::string>& settings) { return read_values(settings_tree(settings)); }

}  // namespace emotion
