#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emotion/config/node.h"

namespace emotion {

/// How one column of a table is measured: a command over a trained network, and a key of the metrics.json it writes.
struct Measurement {
  std::string name;
  /// `emotion_probe --checkpoint {checkpoint} --data data/fi --seed {seed} --output {output}`: no shell. A --device that
  /// emotion_reproduce was given is added at the end; names below data/, runs/ and configs/ become the paths in use.
  std::string command;
  std::string metric;   ///< key of metrics.json; dots go down: `per_class.fear.ap`
  double factor = 100;  ///< the papers print per cent
  bool lower_is_better = false;
  std::vector<std::string> settings;  ///< changes of the row's config for this column: another training
  /// Names that stand for `{fold}` in command and settings: a training and a measurement for each, of which a seed's figure is
  /// the mean. Empty: one.
  std::vector<std::string> folds;
};

/// How something that configs name, `data/..` or `runs/..`, is made: a training, or commands one after the other.
struct Recipe {
  std::string train;  ///< config file, relative to the folder of configs
  std::vector<std::string> commands;
};

struct TableRow {
  std::string name;
  /// Config of each column, relative to the folder of configs: mostly one for all. Empty: another work's figures, cited only.
  std::vector<std::string> configs;
  std::vector<std::string> settings;  ///< changes of its configs: rows that differ in little need no files of their own
  bool trained = true;                ///< false: the features of the config's model.init, as they are
  bool cited() const { return configs.empty(); }
  std::vector<std::optional<double>> printed;  ///< the paper's figure for each column, where it prints one
};

/// A claim of the paper: row `better` is above row `worse`, on the mean of some columns. One about each of several columns is as
/// many of these.
struct Ordering {
  std::string claim;
  std::size_t better = 0, worse = 0;
  std::vector<std::size_t> columns;
};

/// One table or figure of a paper.
struct PaperTable {
  std::string id;  ///< `emotionnet/3`
  std::string title, source;
  std::vector<Measurement> columns;
  std::vector<TableRow> rows;
  std::vector<Ordering> orderings;
  std::map<std::string, Recipe> made;
};

/// Another size of the same experiments: recipes and measurements that replace those of the tables, and settings by task.
struct Scale {
  std::string name = "paper";
  bool replaces_data = false;  ///< every data/.. and runs/.. comes from a recipe; what lies on the disk is not looked at
  std::map<std::string, Recipe> made;
  std::map<std::string, ConfigNode> measurements;
  std::map<std::string, std::vector<std::string>> settings;  ///< task -> `key=value`
};

/// @throws ConfigError file:line:column
Scale read_scale(const std::filesystem::path& file);
/// Reads a table's description; the scale's recipes and measurements stand in for its own.
/// @throws ConfigError file:line:column: unknown keys, rows and columns, a number of figures that is not that of the columns
PaperTable read_paper_table(const std::filesystem::path& file, const Scale& scale);

}  // namespace emotion
