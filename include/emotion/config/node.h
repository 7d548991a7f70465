#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

struct ConfigField;

/// A piece of YAML that knows where it stands.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  std::string text;                 ///< kScalar
  std::vector<ConfigNode> items;    ///< kSequence
  std::vector<ConfigField> fields;  ///< kMapping, in file order
  std::string place;                ///< `file:line:column` of the value, or `--set key=value`
  std::string key_place;            ///< the same of its key
  bool inherited = false;           ///< came through `extends:`

  const ConfigNode* find(const std::string& key) const;
};

/// One key of a mapping.
struct ConfigField {
  std::string key;
  ConfigNode value;
};

/// What to say of a syntax error in line `line` (from 0) of YAML, whose own text does not name the cause: `; the line is indented
/// with a tab: ..`, or nothing.
std::string tab_advice(std::string_view text, int line);

/// Parses one YAML document of at most 1 MB, 10,000 nodes (aliases expanded) and 32 levels.
/// @throws ConfigError at its place for a syntax error, a duplicate key, a tag, several documents
ConfigNode parse_yaml(const std::string& text, const std::string& name);

/// Reads a config file and what it extends: mappings are merged, a section without keys changes nothing, everything
/// else is replaced by the inheriting file.
/// @throws ConfigError naming the chain of a cycle
ConfigNode read_config_file(const std::filesystem::path& file);

/// Applies `a.b=value`. @throws ConfigError naming the setting
void apply_setting(ConfigNode& root, const std::string& setting);
/// Gives the key `a.b` a text as it stands, which is no YAML; `place` is for errors.
void apply_text(ConfigNode& root, const std::string& key, const std::string& text, const std::string& place);

}  // namespace emotion
