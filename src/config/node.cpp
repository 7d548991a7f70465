#include "emotion/config/node.h"

#include <algorithm>

#include <yaml-cpp/yaml.h>

#include "checks.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"

namespace emotion {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20, kMaxNodes = 10000, kMaxDepth = 32, kMaxExtends = 16;

std::string place_of(const std::string& name, const YAML::Mark& mark) {
  return mark.is_null() ? name : name + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

/// yaml-cpp's nodes, where an alias is a shared node, as a tree of our own.
class Converter {
 public:
  explicit Converter(const std::string& name) : name_(name) {}

  ConfigNode convert(const YAML::Node& yaml, std::size_t depth = 0) {
    ConfigNode node;
    node.place = place_of(name_, yaml.Mark());
    if (++count_ > kMaxNodes)
      throw ConfigError(node.place + ": more than 10000 values once aliases are expanded; write them out");
    if (depth > kMaxDepth) throw ConfigError(node.place + ": nested deeper than 32 levels");
    if (const std::string& tag = yaml.Tag(); tag.size() > 1)
      throw ConfigError(node.place + ": the tag " + tag + " is not allowed; plain values only");
    if (yaml.IsScalar()) {
      node.kind = ConfigNode::Kind::kScalar;
      node.text = yaml.Scalar();
    } else if (yaml.IsSequence()) {
      node.kind = ConfigNode::Kind::kSequence;
      for (const auto& item : yaml) node.items.push_back(convert(item, depth + 1));
    } else if (yaml.IsMap()) {
      node.kind = ConfigNode::Kind::kMapping;
      for (const auto& field : yaml) add_field(node, field.first, field.second, depth);
    }
    return node;
  }

 private:
  void add_field(ConfigNode& node, const YAML::Node& key, const YAML::Node& value, std::size_t depth) {
    const std::string key_place = place_of(name_, key.Mark());
    if (!key.IsScalar()) throw ConfigError(key_place + ": a key must be a plain word");
    if (const ConfigNode* earlier = node.find(key.Scalar())) {
      throw ConfigError(key_place + ": key " + key.Scalar() + " stands twice; the first is at " + earlier->key_place);
    }
    ConfigNode child = convert(value, depth + 1);
    child.key_place = key_place;
    node.fields.push_back({key.Scalar(), std::move(child)});
  }

  std::string name_;
  std::size_t count_ = 0;
};

/// A `---` line below the first content begins another document, which would be passed over.
void check_one_document(const std::string& text, const std::string& name) {
  bool content = false;
  for (const auto [row, line] : Lines(text)) {
    if (content && row.starts_with("---"))
      throw ConfigError(name + ":" + std::to_string(line) + ":1: a second YAML document; one is wanted");
    const std::size_t first = row.find_first_not_of(" \t\r");
    content = content || (first != std::string_view::npos && row[first] != '#' && row[first] != '%');
  }
}

/// path: of both; empty: the root. A section without keys (`loss:`) changes nothing; where a value is wanted null is one
/// (`val:`).
void merge(ConfigNode& base, ConfigNode over, const std::string& path = "") {
  if (base.kind == ConfigNode::Kind::kMapping && over.kind == ConfigNode::Kind::kNull && is_section(path)) return;
  if (base.kind != ConfigNode::Kind::kMapping || over.kind != ConfigNode::Kind::kMapping) {
    base = std::move(over);
    return;
  }
  base.place = over.place;
  base.inherited = over.inherited;
  for (auto& [key, value] : over.fields) {
    const auto found =
        std::find_if(base.fields.begin(), base.fields.end(), [&wanted = key](const auto& field) { return field.key == wanted; });
    if (found == base.fields.end()) {
      base.fields.push_back({key, std::move(value)});
    } else {
      merge(found->value, std::move(value), path.empty() ? key : path + "." + key);
    }
  }
}

void mark_inherited(ConfigNode& node) {
  node.inherited = true;
  for (auto& [key, value] : node.fields) mark_inherited(value);
}

ConfigNode read_chain(const std::filesystem::path& file, std::vector<std::filesystem::path>& chain) {
  std::string text;
  try {
    text = read_file(file, kMaxBytes);
  } catch (const DataError& error) {
    throw ConfigError(error.what());  // a config that cannot be read is a usage error
  }
  ConfigNode node = parse_yaml(text, file.string());
  const auto extends =
      std::find_if(node.fields.begin(), node.fields.end(), [](const auto& field) { return field.key == "extends"; });
  if (extends == node.fields.end()) return node;
  const ConfigNode parent_name = extends->value;
  node.fields.erase(extends);
  if (parent_name.kind != ConfigNode::Kind::kScalar)
    throw ConfigError(parent_name.place + ": extends must be the path of one config file");
  const auto parent = (file.parent_path() / parent_name.text).lexically_normal();
  chain.push_back(file.lexically_normal());
  if (chain.size() > kMaxExtends || std::find(chain.begin(), chain.end(), parent) != chain.end()) {
    std::string names;
    for (const auto& link : chain) names += link.string() + " -> ";
    throw ConfigError(parent_name.place + ": extends goes in a circle: " + names + parent.string());
  }
  ConfigNode base = read_chain(parent, chain);
  mark_inherited(base);
  merge(base, std::move(node));
  return base;
}

/// Puts a value at `a.b.c`, as what stands at `place`.
void put(ConfigNode& root, std::string path, ConfigNode leaf, const std::string& place) {
  const auto relocate = [&](auto& self, ConfigNode& node) -> void {
    node.place = node.key_place = place;
    for (auto& item : node.items) self(self, item);
    for (auto& field : node.fields) self(self, field.value);
  };
  while (true) {
    const auto dot = path.rfind('.');
    ConfigNode parent;
    parent.kind = ConfigNode::Kind::kMapping;
    parent.fields.push_back({path.substr(dot == std::string::npos ? 0 : dot + 1), std::move(leaf)});
    leaf = std::move(parent);
    if (dot == std::string::npos) break;
    path.resize(dot);
  }
  relocate(relocate, leaf);
  merge(root, std::move(leaf));
}

}  // namespace

const ConfigNode* ConfigNode::find(const std::string& key) const {
  for (const auto& [name, value] : fields) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string tab_advice(std::string_view text, int line) {
  for (; line > 0; --line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  const std::string_view indentation = text.substr(0, text.find_first_not_of(" \t"));
  return indentation.find('\t') == std::string_view::npos ? "" : "; the line is indented with a tab: YAML wants spaces";
}

ConfigNode parse_yaml(const std::string& text, const std::string& name) {
  if (text.size() > kMaxBytes) throw ConfigError(name + ": larger than 1 MB; this is not a config file");
  // One document at a time: yaml-cpp 0.7's LoadAll never ends on a file that begins with a comma.
  YAML::Node document;
  try {
    document = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw ConfigError(place_of(name, error.mark) + ": not valid YAML: " + error.msg + tab_advice(text, error.mark.line));
  }
  check_one_document(text, name);
  ConfigNode node;
  node.place = name;
  if (document.IsNull()) {
    node.kind = ConfigNode::Kind::kMapping;
    return node;
  }
  node = Converter(name).convert(document);
  if (node.kind != ConfigNode::Kind::kMapping) throw ConfigError(node.place + ": a config is a mapping of keys to values");
  return node;
}

ConfigNode read_config_file(const std::filesystem::path& file) {
  std::vector<std::filesystem::path> chain;
  return read_chain(file, chain);
}

void apply_setting(ConfigNode& root, const std::string& setting) {
  const std::string place = "--set " + setting;
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError(place + ": key=value is wanted, for instance --set train.epochs=5");
  YAML::Node value;
  try {
    value = YAML::Load(setting.substr(equals + 1));
  } catch (const YAML::Exception& error) {
    throw ConfigError(place + ": not a valid YAML value: " + error.msg);
  }
  put(root, setting.substr(0, equals), Converter(place).convert(value), place);
}

void apply_text(ConfigNode& root, const std::string& key, const std::string& text, const std::string& place) {
  ConfigNode leaf;
  leaf.kind = ConfigNode::Kind::kScalar;
  leaf.text = text;
  put(root, key, std::move(leaf), place);
}

}  // namespace emotion
