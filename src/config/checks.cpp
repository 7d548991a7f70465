#include "checks.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "fields.h"

namespace emotion {

const ConfigNode* find_key(const ConfigNode& root, const std::string& key) {
  const ConfigNode* node = &root;
  for (std::size_t begin = 0; node && begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    node = node->find(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return node;
}

namespace {

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

const Keys& all_keys() {
  static const Keys keys;
  return keys;
}

/// check_keys() of the section `prefix`; empty: of the whole config.
void check_section(const ConfigNode& node, const std::string& prefix, const std::string& task) {
  const Keys& keys = all_keys();
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
    if (value.kind == ConfigNode::Kind::kMapping) check_section(value, path, task);
  }
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

/// Keys that some values of another key have no use for.
struct KeyOfSome {
  const char *key, *chooser;
  std::vector<std::string> users;
};

const std::vector<KeyOfSome>& keys_of_some() {
  static const std::vector<KeyOfSome> keys{{"optimizer.momentum", "optimizer.name", {"sgd"}},
                                           {"optimizer.nesterov", "optimizer.name", {"sgd"}},
                                           {"optimizer.betas", "optimizer.name", {"adam", "adamw"}},
                                           {"optimizer.eps", "optimizer.name", {"adam", "adamw", "adagrad", "adadelta"}},
                                           {"optimizer.rho", "optimizer.name", {"adadelta"}},
                                           {"optimizer.lr_decay", "optimizer.name", {"adagrad"}},
                                           {"schedule.every", "schedule.name", {"step"}},
                                           {"schedule.gamma", "schedule.name", {"step", "multistep"}},
                                           {"schedule.milestones", "schedule.name", {"multistep"}},
                                           {"schedule.min_lr", "schedule.name", {"cosine"}}};
  return keys;
}

/// A key of this config or of --set that its `chooser` has no use for; null where it is inherited or --set has chosen otherwise.
const ConfigNode* find_useless(const ConfigNode& root, const char* key, const std::string& chooser) {
  const ConfigNode* node = find_key(root, key);
  if (!node || node->kind == ConfigNode::Kind::kNull || node->inherited) return nullptr;
  return is_set_now(find_key(root, chooser)) && !is_set_now(node) ? nullptr : node;
}

/// True if a section was printed from a config, which prints every key whatever the run was made of: such a file may hold keys
/// that its own values have no use for.
bool is_printed(const ConfigNode& root, const RunConfig& config, std::string_view section) {
  const auto values = config_values(config);
  return std::all_of(values.begin(), values.end(), [&](const auto& entry) {
    const auto& [key, text] = entry;
    const bool of_section = key.starts_with(section) && key.substr(section.size()).starts_with('.');
    return !of_section || !is_set(text) || find_key(root, key);
  });
}

/// Keys that do nothing for the update rule or the schedule: those of `section`, whose `name` is `chosen`.
void check_choice(const ConfigNode& root, const RunConfig& config, const std::string& section, const std::string& chosen) {
  const std::string chooser = section + ".name";
  const bool printed = is_printed(root, config, section);
  for (const auto& [key, decided_by, users] : keys_of_some()) {
    if (decided_by != chooser || std::find(users.begin(), users.end(), chosen) != users.end()) continue;
    const ConfigNode* node = find_useless(root, key, chooser);
    if (!node || (printed && !is_set_now(node))) continue;
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
  check_choice(root, config, "schedule", schedule.name);
  check_choice(root, config, "optimizer", optimizer.name);
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

}  // namespace

bool is_section(const std::string& path) { return all_keys().is_section(path); }

void check_keys(const ConfigNode& root, const std::string& task) { check_section(root, "", task); }

void check_no_home(const ConfigNode& node) {
  if (node.text.starts_with("~/"))
    throw ConfigError(fmt::format("{}: '{}': ~ is not expanded in a config; write the whole path", node.place, node.text));
  for (const auto& item : node.items) check_no_home(item);
  for (const auto& [name, value] : node.fields) check_no_home(value);
}

bool has_picture_key(const ConfigNode& root) {
  const auto keys = {"data.resize", "data.size", "data.augment", "data.scale", "data.ratio"};
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return find_key(root, key) != nullptr; });
}

void check_pictures(const RunConfig& config, const ConfigNode& root, const std::string& name) {
  const auto refuse = [&](std::initializer_list<const char*> keys, const std::string& text) {
    throw ConfigError(place_of_keys(root, keys, name) + ": " + text);
  };
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
}

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
  check_pictures(config, root, name);
  if (config.model.channels == 2) refuse({"model.channels"}, "model.channels is 2; 3, or 1 for grey faces");
  if (config.task == "stimuli" && config.model.branches.empty())
    refuse({"model.branches"}, "model.branches is empty; global, semantic and expression are there to choose from");
  if (config.task == "detector" && config.model.detector.min_size > config.model.detector.max_size)
    refuse({"model.detector.min_size", "model.detector.max_size"}, "model.detector.min_size is above max_size");
  if (config.task == "detector" && !config.model.backbone.starts_with("resnet"))
    refuse({"model.backbone"}, "model.backbone is " + config.model.backbone + "; the detector stands on a ResNet");
  check_course(config, root, name);
  if (config.task != "emotionnet") return;
  // The ablation's target is the mean.
  const bool printed = is_printed(root, config, "loss") && !is_set_now(find_key(root, "loss.hard_target"));
  if (!config.loss.soft_label && config.loss.hard_target == "indicator" && !printed &&
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

}  // namespace emotion
