#include "emotion/config/run_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/config/node.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "fields.h"

namespace emotion {
namespace {

constexpr std::array<std::pair<const char*, unsigned>, 6> kTasks{{{"textcnn", kTextCNN},
                                                                  {"emotionnet", kEmotionNet},
                                                                  {"classifier", kClassifier},
                                                                  {"stimuli", kStimuli},
                                                                  {"expression", kExpression},
                                                                  {"detector", kDetector}}};

unsigned task_bit(const std::string& task) {
  for (const auto& [name, bit] : kTasks) {
    if (task == name) return bit;
  }
  return kAllTasks;
}

std::string task_names(unsigned tasks) {
  if (tasks == kAllTasks) return "all";
  std::vector<std::string> names;
  for (const auto& [name, bit] : kTasks) {
    if (tasks & bit) names.emplace_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string range_text(const Field& field, const char* what) {
  const bool low = std::isfinite(field.low), high = std::isfinite(field.high);
  if (low && field.above_low && high && field.high < 1e5)
    return fmt::format("{} in ({}, {}{}", what, field.low, field.high, field.below_high ? ")" : "]");
  if (low && high && field.high < 1e5)
    return fmt::format("{} in [{}, {}{}", what, field.low, field.high, field.below_high ? ")" : "]");
  if (low) return fmt::format("{} {} {}", what, field.above_low ? ">" : ">=", field.low);
  return what;
}

/// The value of a key `a.b.c`; null if it is not there.
const ConfigNode* find_key(const ConfigNode& root, const std::string& key) {
  const ConfigNode* node = &root;
  for (std::size_t begin = 0; node && begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    node = node->find(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return node;
}

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
    const std::string wanted = range_text(field, std::is_integral_v<Number> ? "an integer" : "a number");
    if (node.kind != ConfigNode::Kind::kScalar) wrong(field, node, wanted);
    Number value{};
    const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
    if (error != std::errc{} || end != node.text.data() + node.text.size()) wrong(field, node, wanted);
    const auto x = static_cast<double>(value);
    const bool inside = std::isfinite(x) && x >= field.low && x <= field.high && !(field.above_low && x <= field.low) &&
                        !(field.below_high && x >= field.high);
    if (!inside) wrong(field, node, wanted);
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

/// Every key as a path, with the sections' names in between.
struct Keys {
  std::map<std::string, unsigned> tasks;  // of each key
  std::vector<std::string> names;         // keys and sections

  Keys() {
    RunConfig config;
    visit_fields(config, [this](const Field& field, const auto& value) {
      add(field.key, field.tasks);
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, SplitConfig>) {
        add(std::string(field.key) + ".dataset", field.tasks);
        add(std::string(field.key) + ".split", field.tasks);
      }
    });
  }
  void add(const std::string& key, unsigned bits) {
    tasks.emplace(key, bits);
    names.push_back(key);
    for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
      const std::string section = key.substr(0, dot);
      if (std::find(names.begin(), names.end(), section) == names.end()) names.push_back(section);
    }
  }
  bool is_section(const std::string& path) const {
    return !tasks.contains(path) && std::find(names.begin(), names.end(), path) != names.end();
  }
};

/// Unknown keys, and keys that would do nothing for the task, in file order.
void check_keys(const ConfigNode& node, const std::string& prefix, const Keys& keys, const std::string& task) {
  for (const auto& [name, value] : node.fields) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    const auto known = keys.tasks.find(path);
    if (known == keys.tasks.end() && !keys.is_section(path)) {
      throw ConfigError(fmt::format("{}: unknown key {}{}", value.key_place, path, did_you_mean(path, keys.names)));
    }
    if (known != keys.tasks.end() && !(known->second & task_bit(task))) {
      const std::string text = fmt::format("{}: {} has no effect on task {}; it belongs to {}", value.key_place, path, task,
                                           task_names(known->second));
      if (!value.inherited) throw ConfigError(text);
      log_debug("{}", text);
    }
    if (keys.is_section(path) && value.kind != ConfigNode::Kind::kMapping && value.kind != ConfigNode::Kind::kNull) {
      throw ConfigError(fmt::format("{}: {} is a section: a mapping of keys is wanted", value.place, path));
    }
    if (value.kind == ConfigNode::Kind::kMapping) check_keys(value, path, keys, task);
  }
}

/// No part of the library expands `~/`: it would be a folder of that name. `~` alone is YAML's null.
void check_no_home(const ConfigNode& node) {
  if (node.text.starts_with("~/"))
    throw ConfigError(fmt::format("{}: '{}': ~ is not expanded in a config; write the whole path", node.place, node.text));
  for (const auto& item : node.items) check_no_home(item);
  for (const auto& [name, value] : node.fields) check_no_home(value);
}

bool is_set_now(const ConfigNode* node) { return node && node->place.starts_with("--set "); }

/// Where to look for what is wrong with some keys: the setting of one of them, else the first that a file has, else `name`.
std::string place_of_keys(const ConfigNode& root, std::initializer_list<const char*> keys, const std::string& name) {
  std::string place;
  for (const char* key : keys) {
    const ConfigNode* node = find_key(root, key);
    if (node && (place.empty() || is_set_now(node))) place = node->place;
  }
  return place.empty() ? name : place;
}

/// Keys that some values of another key have no use for. Of each `chooser` all keys stand together.
struct KeyOfSome {
  const char *key, *chooser;
  std::vector<std::string> users;
};

const std::vector<KeyOfSome>& keys_of_some() {
  static const std::vector<KeyOfSome> keys{{"optimizer.momentum", "optimizer.name", {"sgd"}},
                                           {"optimizer.nesterov", "optimizer.name", {"sgd"}},
                                           {"optimizer.betas", "optimizer.name", {"adam", "adamw"}},
                                           {"optimizer.rho", "optimizer.name", {"adadelta"}},
                                           {"optimizer.lr_decay", "optimizer.name", {"adagrad"}},
                                           {"schedule.every", "schedule.name", {"step"}},
                                           {"schedule.gamma", "schedule.name", {"step", "multistep"}},
                                           {"schedule.milestones", "schedule.name", {"multistep"}},
                                           {"schedule.min_lr", "schedule.name", {"cosine"}}};
  return keys;
}

/// A key of this config or of --set that its `chooser` has no use for; null where it is inherited or --set has chosen otherwise.
const ConfigNode* find_useless(const ConfigNode& root, const char* key, const char* chooser) {
  const ConfigNode* node = find_key(root, key);
  if (!node || node->kind == ConfigNode::Kind::kNull || node->inherited) return nullptr;
  return is_set_now(find_key(root, chooser)) && !is_set_now(node) ? nullptr : node;
}

/// Keys that do nothing for the update rule or the schedule. A run's own config.yaml holds all of them, whatever it was made of.
void check_choice(const ConfigNode& root, const char* chooser, const std::string& chosen) {
  const auto& keys = keys_of_some();
  const bool resolved = std::all_of(keys.begin(), keys.end(), [&](const KeyOfSome& one) {
    return one.chooser != std::string(chooser) || find_key(root, one.key);
  });
  for (const auto& [key, decided_by, users] : keys) {
    if (decided_by != std::string(chooser) || std::find(users.begin(), users.end(), chosen) != users.end()) continue;
    const ConfigNode* node = find_useless(root, key, chooser);
    if (!node || (resolved && !is_set_now(node))) continue;
    throw ConfigError(fmt::format("{}: {} has no effect with {}: {}; it belongs to {}", node->key_place, key, chooser, chosen,
                                  fmt::join(users, ", ")));
  }
}

/// Validation metrics of a task that decide the best checkpoint.
std::vector<std::string> deciding_metrics(const std::string& task) {
  if (task == "detector") return {"AP", "AP50"};
  return {"top1", "top2", "top5", "mAP", "balanced_accuracy", "polarity_accuracy", "loss"};
}

/// What no single key shows of the course of a training.
void check_course(const RunConfig& config, const ConfigNode& root, const std::string& name) {
  const auto refuse = [&](std::initializer_list<const char*> keys, const std::string& text) {
    throw ConfigError(place_of_keys(root, keys, name) + ": " + text);
  };
  const ScheduleConfig& schedule = config.schedule;
  const OptimizerConfig& optimizer = config.optimizer;
  if (schedule.name == "multistep" && schedule.milestones.empty())
    refuse({"schedule.milestones", "schedule.name"}, "schedule.milestones is missing; multistep wants a list of epochs");
  check_choice(root, "schedule.name", schedule.name);
  check_choice(root, "optimizer.name", optimizer.name);
  if (optimizer.name == "sgd" && optimizer.nesterov && optimizer.momentum == 0)
    refuse({"optimizer.nesterov", "optimizer.momentum"}, "optimizer.nesterov wants an optimizer.momentum above 0");
  if (schedule.warmup > 0 && schedule.warmup >= config.train.epochs) {
    refuse(
        {"schedule.warmup", "train.epochs"},
        fmt::format("schedule.warmup {} is not below train.epochs {}: nothing would follow the warm-up; give fewer epochs of it",
                    schedule.warmup, config.train.epochs));
  }
  if (schedule.name == "cosine" && schedule.min_lr > optimizer.lr) {
    refuse({"schedule.min_lr", "optimizer.lr"},
           fmt::format("schedule.min_lr {} is above optimizer.lr {}: the rate would rise; give a lower one", schedule.min_lr,
                       optimizer.lr));
  }
  const auto metrics = deciding_metrics(config.task);
  if (std::find(metrics.begin(), metrics.end(), config.checkpoint.best) == metrics.end()) {
    refuse({"checkpoint.best"}, fmt::format("checkpoint.best is {}, which a validation of task {} does not give; take one of {}",
                                            config.checkpoint.best, config.task, fmt::join(metrics, ", ")));
  }
}

/// What no single key shows. `name` is the config's, for what stands nowhere.
void check_together(const RunConfig& config, const ConfigNode& root, const std::string& name) {
  const auto refuse = [&](std::initializer_list<const char*> keys, const std::string& text) {
    throw ConfigError(place_of_keys(root, keys, name) + ": " + text);
  };
  const auto& device = config.device;
  const bool numbered =
      device.starts_with("cuda:") && device.size() > 5 && device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device != "auto" && device != "cpu" && device != "cuda" && !numbered)
    refuse({"device"}, "device is '" + device + "'; auto, cpu, cuda or cuda:N is wanted");
  if (!config.data.train) refuse({}, "data.train is missing; data: {train: {dataset: DIR, split: train}} is wanted");
  if (config.data.scale[0] > config.data.scale[1])
    refuse({"data.scale"}, "data.scale: the first number must not be above the second");
  if (config.data.ratio[0] > config.data.ratio[1])
    refuse({"data.ratio"}, "data.ratio: the first number must not be above the second");
  if ((task_bit(config.task) & kImages) && config.data.resize != 0 && config.data.augment != "none" &&
      config.data.resize < config.data.size) {
    const bool resized = config.data.augment == "random_resized_crop";
    refuse({"data.resize", "data.size", "data.augment"},
           fmt::format("data.resize {} is below data.size {}: {}", config.data.resize, config.data.size,
                       resized ? "validation would see pictures in a black frame; set data.resize to at least data.size"
                               : "the crop would leave the image"));
  }
  if (config.model.channels == 2) refuse({"model.channels"}, "model.channels is 2; 3, or 1 for grey faces");
  if (config.task == "stimuli" && config.model.branches.empty())
    refuse({"model.branches"}, "model.branches is empty; global, semantic and expression are there to choose from");
  if (config.task == "detector" && config.model.detector.min_size > config.model.detector.max_size)
    refuse({"model.detector.min_size", "model.detector.max_size"}, "model.detector.min_size is above max_size");
  if (config.task == "detector" && !config.model.backbone.starts_with("resnet"))
    refuse({"model.backbone"}, "model.backbone is " + config.model.backbone + "; the detector stands on a ResNet");
  check_course(config, root, name);
  if (config.task != "emotionnet") return;
  // The ablation's target is the mean. A run's own config.yaml, which alone has loss.extra_weight for two branches, may say more.
  const bool resolved = find_key(root, "loss.extra_weight") && !is_set_now(find_key(root, "loss.hard_target"));
  if (!config.loss.soft_label && config.loss.hard_target == "indicator" && !resolved &&
      find_useless(root, "loss.hard_target", "loss.soft_label")) {
    refuse({"loss.hard_target"}, "loss.hard_target: indicator has no effect without loss.soft_label; mean is what is trained on");
  }
  if (config.loss.soft_label && config.text.textcnn.empty()) {
    refuse({"loss.soft_label"}, "text.textcnn is missing; soft labels need a trained TextCNN (or loss.soft_label: false)");
  }
  if (config.loss.embedding_weight > 0 && config.text.word2vec.empty()) {
    refuse({"loss.embedding_weight"},
           "text.word2vec is missing; the embedding loss needs word vectors (or loss.embedding_weight: 0)");
  }
  if ((config.model.head == "three_branch") != static_cast<bool>(config.data.extra))
    refuse({"model.head", "data.extra"}, "model.head: three_branch and data.extra go together");
}

RunConfig read_config(const ConfigNode& root, const std::string& name) {
  RunConfig config;
  static const Keys keys;
  const ConfigNode* task = root.find("task");
  check_keys(root, "", keys, task ? task->text : config.task);
  Reader reader(root);
  visit_fields(config, reader);
  const ConfigNode* checkpoint = root.find("checkpoint");
  if (config.task == "detector" && !(checkpoint && checkpoint->find("best"))) config.checkpoint.best = "AP";
  check_no_home(root);
  check_together(config, root, name);
  return config;
}

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

RunConfig load_run_config(const std::filesystem::path& file, const std::vector<std::string>& settings) {
  ConfigNode root = read_config_file(file);
  for (const auto& setting : settings) apply_setting(root, setting);
  return read_config(root, file.string());
}

RunConfig parse_run_config(const std::string& yaml, const std::string& name, const std::vector<std::string>& settings) {
  ConfigNode root = parse_yaml(yaml, name);
  // The stored text may be of another version; what is set here and now may not be misspelt.
  ConfigNode set_now;
  set_now.kind = ConfigNode::Kind::kMapping;
  for (const auto& setting : settings) {
    apply_setting(root, setting);
    apply_setting(set_now, setting);
  }
  static const Keys keys;
  check_keys(set_now, "", keys, "");
  RunConfig config;
  Reader reader(root);
  visit_fields(config, reader);
  return config;
}

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
    if (text.empty() || text == "\"\"") continue;  // not set
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
    schema += fmt::format("{}: {}; default {}; tasks {}; {}\n", field.key, range_text(field, type.c_str()),
                          fallback.empty() || fallback == "\"\"" ? "none" : fallback, task_names(field.tasks), field.meaning);
  });
  return schema;
}

}  // namespace emotion
