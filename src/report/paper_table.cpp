#include "emotion/report/paper_table.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

using Kind = ConfigNode::Kind;

void check_keys(const ConfigNode& node, const std::string& what, const std::vector<std::string>& known) {
  if (node.kind != Kind::kMapping) throw ConfigError(node.place + ": " + what + " must be a mapping");
  for (const auto& [key, value] : node.fields) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw ConfigError(value.key_place + ": " + what + " has no key '" + key + "'" + did_you_mean(key, known));
  }
}

std::string text(const ConfigNode& node, const std::string& what) {
  if (node.kind != Kind::kScalar || node.text.empty()) throw ConfigError(node.place + ": " + what + " must be text");
  return node.text;
}

const ConfigNode& wanted(const ConfigNode& node, std::string_view key, std::string_view what) {
  if (const ConfigNode* value = node.find(std::string(key))) return *value;
  throw ConfigError(fmt::format("{}: {} lacks '{}'", node.place, what, key));
}

std::string text_or(const ConfigNode& node, const std::string& key, const std::string& fallback) {
  const ConfigNode* value = node.find(key);
  return value ? text(*value, key) : fallback;
}

bool flag_or(const ConfigNode& node, const std::string& key, bool fallback) {
  const std::string value = text_or(node, key, fallback ? "true" : "false");
  if (value != "true" && value != "false") throw ConfigError(node.find(key)->place + ": " + key + " must be true or false");
  return value == "true";
}

double number(const ConfigNode& node, const std::string& what) {
  double value = 0;
  const char *begin = node.text.data(), *end = begin + node.text.size();
  const auto [rest, error] = std::from_chars(begin, end, value);
  if (node.kind != Kind::kScalar || error != std::errc() || rest != end)
    throw ConfigError(node.place + ": " + what + " must be a number");
  return value;
}

std::vector<std::string> texts(const ConfigNode& node, const std::string& what) {
  if (node.kind != Kind::kSequence) throw ConfigError(node.place + ": " + what + " must be a list");
  std::vector<std::string> list;
  for (const auto& item : node.items) list.push_back(text(item, what));
  return list;
}

const std::vector<ConfigNode>& items(const ConfigNode& node, std::string_view what) {
  if (node.kind != Kind::kSequence || node.items.empty())
    throw ConfigError(fmt::format("{}: {} must be a list that is not empty", node.place, what));
  return node.items;
}

Recipe read_recipe(const ConfigNode& node) {
  check_keys(node, "a recipe", {"train", "run"});
  Recipe recipe;
  recipe.train = text_or(node, "train", "");
  if (const ConfigNode* run = node.find("run")) recipe.commands = texts(*run, "run");
  if (recipe.train.empty() == recipe.commands.empty())
    throw ConfigError(node.place + ": a recipe is either train: CONFIG or run: [COMMAND, ..]");
  for (const auto& command : recipe.commands) {
    if (!command.starts_with("emotion_"))
      throw ConfigError(node.place + ": '" + command + "' is none of this project's commands; a recipe runs emotion_.. alone");
  }
  return recipe;
}

std::map<std::string, Recipe> read_made(const ConfigNode& root) {
  std::map<std::string, Recipe> made;
  const ConfigNode* node = root.find("made");
  if (!node) return made;
  if (node->kind != Kind::kMapping) throw ConfigError(node->place + ": made must be a mapping");
  for (const auto& [path, recipe] : node->fields) {
    if (!path.starts_with("data/") && !path.starts_with("runs/"))
      throw ConfigError(recipe.key_place + ": '" + path + "' is neither below data/ nor below runs/");
    made.emplace(path, read_recipe(recipe));
  }
  return made;
}

Measurement read_measurement(const std::string& name, const ConfigNode& node) {
  const std::string what = "measurement '" + name + "'";
  check_keys(node, what, {"command", "metric", "factor", "lower_is_better", "settings", "folds"});
  Measurement m;
  m.name = name;
  m.command = text(wanted(node, "command", what), "command");
  if (!m.command.starts_with("emotion_"))
    throw ConfigError(node.place + ": " + what + " must run one of this project's commands");
  m.metric = text(wanted(node, "metric", what), "metric");
  if (const ConfigNode* factor = node.find("factor")) m.factor = number(*factor, "factor");
  m.lower_is_better = flag_or(node, "lower_is_better", false);
  if (const ConfigNode* settings = node.find("settings")) m.settings = texts(*settings, "settings");
  if (const ConfigNode* folds = node.find("folds")) m.folds = texts(*folds, "folds");
  const auto names_fold = [](const std::string& text) { return text.find("{fold}") != std::string::npos; };
  if ((names_fold(m.command) || std::any_of(m.settings.begin(), m.settings.end(), names_fold)) == m.folds.empty())
    throw ConfigError(node.place + ": " + what + ": folds: [..] and {fold} in its command or settings go together");
  return m;
}

class TableReader {
 public:
  TableReader(const ConfigNode& root, const Scale& scale) : root_(root), scale_(scale) {}

  PaperTable read() {
    check_keys(root_, "a table", {"table", "title", "source", "made", "measurements", "columns", "rows", "orderings"});
    table_.id = text(wanted(root_, "table", "a table"), "table");
    table_.title = text(wanted(root_, "title", "a table"), "title");
    table_.source = text(wanted(root_, "source", "a table"), "source");
    table_.made = scale_.made;
    for (auto& [path, recipe] : read_made(root_)) table_.made.emplace(path, std::move(recipe));
    read_columns();
    for (const auto& row : items(wanted(root_, "rows", "a table"), "rows")) read_row(row);
    if (const ConfigNode* orderings = root_.find("orderings")) {
      for (const auto& ordering : items(*orderings, "orderings")) read_ordering(ordering);
    }
    return std::move(table_);
  }

 private:
  void read_columns() {
    const ConfigNode& measurements = wanted(root_, "measurements", "a table");
    std::vector<std::string> known;
    for (const auto& [name, node] : measurements.fields) known.push_back(name);
    const ConfigNode& columns = wanted(root_, "columns", "a table");
    for (const auto& column : items(columns, "columns")) {
      const std::string name = text(column, "a column");
      const ConfigNode* node = measurements.find(name);
      if (!node) throw ConfigError(column.place + ": there is no measurement '" + name + "'" + did_you_mean(name, known));
      const auto other = scale_.measurements.find(name);
      table_.columns.push_back(read_measurement(name, other == scale_.measurements.end() ? *node : other->second));
    }
  }

  /// One file for all columns, or a file for each: `{FI: a.yaml, EmotionROI: b.yaml}`.
  std::vector<std::string> read_configs(const ConfigNode& node) const {
    if (node.kind == Kind::kScalar) return std::vector<std::string>(table_.columns.size(), text(node, "config"));
    std::vector<std::string> known, files;
    for (const auto& column : table_.columns) {
      known.push_back(column.name);
      files.push_back(text(wanted(node, column.name, "config"), "config"));
    }
    check_keys(node, "config", known);
    return files;
  }

  void read_row(const ConfigNode& node) {
    check_keys(node, "a row", {"name", "config", "settings", "trained", "printed"});
    TableRow row;
    row.name = text(wanted(node, "name", "a row"), "name");
    if (const ConfigNode* config = node.find("config")) row.configs = read_configs(*config);
    if (const ConfigNode* settings = node.find("settings")) row.settings = texts(*settings, "settings");
    row.trained = flag_or(node, "trained", true);
    const ConfigNode& printed = wanted(node, "printed", "row '" + row.name + "'");
    for (const auto& figure : items(printed, "printed")) {
      row.printed.push_back(
          figure.kind == Kind::kNull || figure.text == "null" ? std::nullopt : std::optional(number(figure, "a printed figure")));
    }
    if (row.printed.size() != table_.columns.size()) {
      throw ConfigError(fmt::format("{}: row '{}' has {} printed figures, the table has {} columns; null where none is printed",
                                    printed.place, row.name, row.printed.size(), table_.columns.size()));
    }
    for (const auto& other : table_.rows) {
      if (other.name == row.name) throw ConfigError(node.place + ": row '" + row.name + "' stands twice");
    }
    table_.rows.push_back(std::move(row));
  }

  std::size_t row_index(const ConfigNode& node) const {
    const std::string name = text(node, "a row's name");
    std::vector<std::string> known;
    for (std::size_t i = 0; i < table_.rows.size(); ++i) {
      if (table_.rows[i].name == name) return i;
      known.push_back(table_.rows[i].name);
    }
    throw ConfigError(node.place + ": there is no row '" + name + "'" + did_you_mean(name, known));
  }

  std::vector<std::size_t> ordering_columns(const ConfigNode& node) const {
    std::vector<std::size_t> chosen;
    std::vector<std::string> known;
    for (const auto& column : table_.columns) known.push_back(column.name);
    const ConfigNode* names = node.find("columns");
    if (!names) {
      for (std::size_t i = 0; i < known.size(); ++i) chosen.push_back(i);
      return chosen;
    }
    for (const auto& name : items(*names, "columns")) {
      const auto found = std::find(known.begin(), known.end(), text(name, "a column"));
      if (found == known.end())
        throw ConfigError(name.place + ": there is no column '" + name.text + "'" + did_you_mean(name.text, known));
      chosen.push_back(static_cast<std::size_t>(found - known.begin()));
    }
    return chosen;
  }

  /// `increasing: [a, b, c]` claims a < b and b < c and, plainest, a < c. `each: true` makes an ordering of every column: in a
  /// mean over columns one that gains much hides others that lose.
  void read_ordering(const ConfigNode& node) {
    check_keys(node, "an ordering", {"claim", "better", "worse", "increasing", "columns", "each"});
    const std::string claim = text(wanted(node, "claim", "an ordering"), "claim");
    const auto columns = ordering_columns(node);
    const bool each = flag_or(node, "each", false);
    const auto add = [&](const std::string& what, const ConfigNode& high, const ConfigNode& low) {
      const std::size_t better = row_index(high), worse = row_index(low);
      if (!each) table_.orderings.push_back({what, better, worse, columns});
      for (std::size_t i = 0; each && i < columns.size(); ++i)
        table_.orderings.push_back({what + ": " + table_.columns[columns[i]].name, better, worse, {columns[i]}});
    };
    const ConfigNode* increasing = node.find("increasing");
    if (!increasing) return add(claim, wanted(node, "better", "an ordering"), wanted(node, "worse", "an ordering"));
    const auto& names = items(*increasing, "increasing");
    if (names.size() < 2) throw ConfigError(increasing->place + ": increasing wants two rows at least");
    const auto step = [&](const ConfigNode& low, const ConfigNode& high) {
      add(fmt::format("{}: {} above {}", claim, high.text, low.text), high, low);
    };
    if (names.size() > 2) step(names.front(), names.back());
    for (std::size_t i = 1; i < names.size(); ++i) step(names[i - 1], names[i]);
  }

  const ConfigNode& root_;
  const Scale& scale_;
  PaperTable table_;
};

}  // namespace

Scale read_scale(const std::filesystem::path& file) {
  const ConfigNode root = read_config_file(file);
  check_keys(root, "a scale", {"replaces_data", "made", "measurements", "settings"});
  Scale scale;
  scale.name = file.stem().string();
  scale.replaces_data = flag_or(root, "replaces_data", false);
  scale.made = read_made(root);
  if (const ConfigNode* node = root.find("measurements")) {
    for (const auto& [name, value] : node->fields) {
      read_measurement(name, value);  // checked even if no table uses it
      scale.measurements.emplace(name, value);
    }
  }
  if (const ConfigNode* node = root.find("settings")) {
    for (const auto& [task, list] : node->fields) scale.settings.emplace(task, texts(list, "settings of " + task));
  }
  return scale;
}

PaperTable read_paper_table(const std::filesystem::path& file, const Scale& scale) {
  return TableReader(read_config_file(file), scale).read();
}

}  // namespace emotion
