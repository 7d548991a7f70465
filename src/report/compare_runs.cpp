#include "emotion/report/compare_runs.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "run_files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

struct Run {
  std::string name;
  MetricLines lines;
  std::vector<std::pair<std::string, std::string>> config;  ///< empty for another framework's run
};

Run read_run(const fs::path& folder) {
  const std::string name = folder.lexically_normal().string();
  const fs::path file = folder / "config.yaml";
  if (!fs::exists(file)) {
    MetricLines lines = fs::is_directory(folder) ? read_event_lines(folder) : MetricLines{};
    if (lines.train.empty() && lines.val.empty())
      throw ConfigError(folder.string() +
                        ": not a run folder: there is no config.yaml, and no scalar in a TensorBoard event file");
    return {.name = name, .lines = std::move(lines), .config = {}};
  }
  return {.name = name,
          .lines = read_metric_lines(folder),
          .config = config_values(parse_run_config(read_file(file), file.string()))};
}

/// A table: a heading, then a cell a run.
struct Rows {
  std::vector<std::pair<std::string, std::vector<std::string>>> rows;
};

Rows last_evaluations(const std::vector<Run>& runs) {
  Rows table;
  std::vector<std::string> keys;
  for (const Run& run : runs) {
    for (const auto& key : keys_with(run.lines.val, "")) {
      if (key != "split" && std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  for (const auto& key : keys) {
    auto& [heading, cells] = table.rows.emplace_back(key, std::vector<std::string>{});
    for (const Run& run : runs) {
      // Another framework's run may write some figures more rarely than others.
      const auto last =
          std::find_if(run.lines.val.rbegin(), run.lines.val.rend(), [&](const Json& line) { return line.contains(key); });
      cells.push_back(last != run.lines.val.rend() ? cell_text((*last)[key]) : "–");
    }
  }
  return table;
}

/// Keys whose value is not the same in every run that has a config; a run whose task has no such key shows a dash.
Rows config_differences(const std::vector<Run>& runs) {
  Rows table;
  std::vector<std::string> keys;
  std::vector<std::map<std::string, std::string>> values;
  for (const Run& run : runs) {
    values.emplace_back(run.config.begin(), run.config.end());
    for (const auto& [key, value] : run.config) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  for (const auto& key : keys) {
    std::vector<std::string> cells, known;
    for (const auto& map : values) {
      const auto found = map.find(key);
      cells.push_back(found == map.end() ? "–" : found->second.empty() ? "not set" : found->second);
      if (!map.empty()) known.push_back(cells.back());
    }
    if (key != "output" && std::adjacent_find(known.begin(), known.end(), std::not_equal_to<>()) != known.end())
      table.rows.emplace_back(key, cells);
  }
  return table;
}

std::string table_html(const std::vector<Run>& runs, const Rows& table) {
  std::vector<std::string> head{""};
  for (const Run& run : runs) head.push_back(run.name);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [heading, cells] : table.rows) {
    rows.push_back({heading});
    rows.back().insert(rows.back().end(), cells.begin(), cells.end());
  }
  return html_table(head, rows);
}

std::string table_markdown(const std::vector<Run>& runs, const std::string& corner, const Rows& table) {
  std::string text = "| " + corner + " |", line = "|---|";
  for (const Run& run : runs) {
    text += " " + run.name + " |";
    line += "---|";
  }
  text += "\n" + line + "\n";
  for (const auto& [heading, cells] : table.rows) {
    text += "| " + heading + " |";
    for (const auto& cell : cells) text += " " + cell + " |";
    text += "\n";
  }
  return text + "\n";
}

/// One plot a quantity, one curve a run.
std::string curves_html(const std::vector<Run>& runs) {
  std::string html;
  const auto plot = [&](const std::string& title, const std::string& key, bool validation) {
    std::vector<Curve> curves;
    for (const Run& run : runs) {
      Curve curve = curve_of(run.name, validation ? run.lines.val : run.lines.train, key);
      if (!curve.points.empty()) curves.push_back(std::move(curve));
    }
    html += svg_plot(title, "step", curves);
  };
  plot("Training loss", "loss", false);
  plot("Validation loss", "loss", true);
  for (const char* key : {"top1", "balanced_accuracy", "mAP", "hard_errors", "AP50"})
    plot(std::string("Validation ") + key, key, true);
  plot("Learning rate", "lr", false);
  return html.empty() ? "" : "<div class=\"plots\">" + html + "</div>\n";
}

}  // namespace

std::string compare_runs(const std::vector<fs::path>& folders, const fs::path& file) {
  if (folders.size() < 2) throw ConfigError("--compare: two run folders at least are wanted");
  std::vector<Run> runs;
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  const Rows metrics = last_evaluations(runs), differences = config_differences(runs);
  const auto configs = std::count_if(runs.begin(), runs.end(), [](const Run& run) { return !run.config.empty(); });
  const std::string same =
      configs > 1 ? "The configurations are the same." : "No two of these runs have a configuration to compare.";
  HtmlParts page;
  page.add("Last evaluation", table_html(runs, metrics));
  page.add("Curves", curves_html(runs));
  page.add("Configurations", differences.rows.empty() ? "<p>" + same + "</p>\n" : table_html(runs, differences));
  write_file_atomically(file, html_page(fmt::format("{} runs compared", runs.size()), page.html()));
  return table_markdown(runs, "last evaluation", metrics) +
         (differences.rows.empty() ? same + "\n" : table_markdown(runs, "configuration", differences));
}

}  // namespace emotion
