#include "emotion/commands/reproduce.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/file_lock.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "emotion/print.h"
#include "emotion/progress.h"
#include "emotion/report/compare_runs.h"
#include "emotion/report/table_result.h"
#include "figure.h"
#include "plan.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

struct PlannedTable {
  PaperTable table;
  std::vector<std::vector<CellPlan>> cells;
};

std::vector<fs::path> yaml_files(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw ConfigError(folder.string() + ": no such folder; run from the source tree, or give its configs by --configs");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Scale find_scale(const ReproduceOptions& o) {
  if (o.scale == "paper") return {};
  std::vector<std::string> known{"paper"};
  for (const auto& file : yaml_files(fs::path(o.configs) / "scales")) {
    if (file.stem() == o.scale) return read_scale(file);
    known.push_back(file.stem().string());
  }
  throw ConfigError(fmt::format("--scale {}: there are {}{}", o.scale, fmt::join(known, ", "), did_you_mean(o.scale, known)));
}

/// The deviation over seeds would be too small.
void check_seeds(const std::vector<std::uint64_t>& seeds) {
  std::set<std::uint64_t> seen;
  for (const std::uint64_t seed : seeds) {
    if (!seen.insert(seed).second)
      throw ConfigError(fmt::format("--seeds: {} stands twice, and would be one training counted as two; leave one out", seed));
  }
}

/// Seeds are not the configs': a setting would change nothing.
void check_settings(const std::vector<std::string>& settings) {
  for (const auto& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (setting.substr(0, equals) != "seed") continue;
    const std::string value = equals == std::string::npos ? "N" : setting.substr(equals + 1);
    throw ConfigError(fmt::format("--set {}: every row is trained with the seeds of --seeds; give --seeds {}", setting, value));
  }
}

/// `emotionnet/2`, or `emotionnet` for all of its tables.
std::vector<PaperTable> find_tables(const ReproduceOptions& o, const Scale& scale) {
  std::vector<PaperTable> all, chosen;
  std::vector<std::string> known;
  for (const auto& file : yaml_files(fs::path(o.configs) / "tables")) {
    all.push_back(read_paper_table(file, scale));
    known.push_back(all.back().id);
  }
  for (const auto& wanted : o.tables) {
    if (std::none_of(known.begin(), known.end(), [&](const auto& id) { return id == wanted || id.starts_with(wanted + "/"); }))
      throw ConfigError(fmt::format("--table {}: there are {}{}", wanted, fmt::join(known, ", "), did_you_mean(wanted, known)));
  }
  for (auto& table : all) {
    if (o.tables.empty() || std::any_of(o.tables.begin(), o.tables.end(), [&](const auto& wanted) {
          return table.id == wanted || table.id.starts_with(wanted + "/");
        }))
      chosen.push_back(std::move(table));
  }
  return chosen;
}

std::string missing_note(const CellPlan& plan) {
  return fmt::format("not run: {} {} missing", fmt::join(plan.missing, ", "), plan.missing.size() == 1 ? "is" : "are");
}

/// Whether each of the things is there: `data/synth to be made, data/fi missing`. What is made of something missing is missing
/// too.
std::string needs_text(const std::set<std::string>& needs, const CellPlan& plan, const Scale& scale) {
  std::vector<std::string> texts;
  for (const auto& name : needs) {
    const bool there = !scale.replaces_data && fs::exists(name);
    const bool missing = plan.missing.contains(name) || plan.unmade.contains(name);
    texts.push_back(name + (missing ? " missing" : there ? " there" : " to be made"));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// What every column of a row needs: its training.
std::set<std::string> common_needs(const std::vector<CellPlan>& cells) {
  std::set<std::string> common = cells[0].needs;
  for (const CellPlan& cell : cells) std::erase_if(common, [&](const auto& name) { return !cell.needs.contains(name); });
  return cells.size() > 1 ? common : std::set<std::string>();
}

std::string config_text(const TableRow& row) {
  std::vector<std::string> files;
  for (const auto& file : row.configs) {
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
  return fmt::format("{}", fmt::join(files, ", "));
}

void list_row(const PaperTable& table, std::size_t r, const std::vector<CellPlan>& cells, const Scale& scale) {
  const TableRow& row = table.rows[r];
  print_out("  {}  [{}]\n", row.name, row.cited() ? "cited, not run" : config_text(row) + (row.trained ? "" : ", not trained"));
  const std::set<std::string> common = common_needs(cells);
  if (!common.empty()) print_out("    needs {}\n", needs_text(common, cells[0], scale));
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const Measurement& column = table.columns[c];
    print_out("    {:<14} paper {:>6}", column.name, row.printed[c] ? fmt::format("{:.2f}", *row.printed[c]) : "–");
    if (!row.cited()) {
      std::set<std::string> own = cells[c].needs;
      std::erase_if(own, [&](const auto& name) { return common.contains(name); });
      print_out("  {} {}  {}", column.command.substr(0, column.command.find(' ')), column.metric,
                cells[c].error.empty() ? needs_text(own, cells[c], scale) : cells[c].error);
    }
    print_out("\n");
  }
}

void list(const std::vector<PlannedTable>& tables, const Scale& scale) {
  for (const auto& [table, cells] : tables) {
    print_out("{}: {} ({})\n", table.id, table.title, table.source);
    for (std::size_t r = 0; r < table.rows.size(); ++r) list_row(table, r, cells[r], scale);
  }
}

/// A measurement's figure, or nothing and why in `note`.
std::optional<double> read_figure(const Job& job, const fs::path& metrics, const Measurement& column, std::string& note) {
  if (!job.error.empty()) {
    note = "failed: " + job.error;
  } else if (job.done) {
    try {
      return read_metric(metrics, column);
    } catch (const DataError& error) {
      note = std::string("failed: ") + error.what();
    }
  } else if (note.empty()) {
    note = "open: not finished yet";
  }
  return std::nullopt;
}

/// A seed's figure is the mean over its folds, once all of them are measured.
TableCell read_cell(const CellPlan& plan, const Measurement& column, const std::vector<Job>& jobs, std::size_t seeds) {
  TableCell cell;
  cell.by_seed.resize(seeds);
  if (!plan.error.empty()) cell.note = "failed: " + plan.error;
  if (!plan.missing.empty()) cell.note = missing_note(plan);
  const std::size_t folds = std::max<std::size_t>(column.folds.size(), 1);
  for (std::size_t s = 0; s < plan.jobs.size() / folds; ++s) {
    double sum = 0;
    bool whole = true;
    for (std::size_t i = s * folds; i < (s + 1) * folds; ++i) {
      const auto figure = read_figure(jobs[plan.jobs[i]], plan.metrics[i], column, cell.note);
      whole = whole && figure;
      sum += figure.value_or(0);
    }
    if (whole) cell.by_seed[s] = sum / static_cast<double>(folds);
  }
  return cell;
}

std::vector<TableResult> read_results(const std::vector<PlannedTable>& tables, Plan& plan, const Scale& scale,
                                      const std::vector<std::uint64_t>& seeds, const fs::path& out) {
  std::vector<TableResult> results;
  for (const auto& [table, cells] : tables) {
    TableResult result{.table = table, .seeds = seeds, .cells = {}, .runs = {}, .as_in_paper = scale.name == "paper"};
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      auto& line = result.cells.emplace_back();
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        line.push_back(read_cell(cells[r][c], table.columns[c], plan.jobs(), seeds.size()));
        if (table.rows[r].cited()) line.back().note = "cited";
      }
      const fs::path page = plan.run_of(table.rows[r]) / "report.html";
      result.runs.push_back(fs::exists(page) ? fs::relative(page, out).string() : "");
    }
    results.push_back(std::move(result));
  }
  return results;
}

void write_tables(const std::vector<TableResult>& results, const Scale& scale, const fs::path& out) {
  const std::string markdown = tables_markdown(results, scale.name);
  write_file_atomically(out / "tables.md", markdown);
  write_file_atomically(out / "tables.csv", tables_csv(results));
  write_file_atomically(out / "tables.html", tables_html(results, scale.name));
  print_text(markdown);
  std::fflush(stdout);
}

void log_times(const std::vector<Job>& jobs, double seconds) {
  double spent[3] = {0, 0, 0}, processor = 0;
  for (const Job& job : jobs) {
    spent[static_cast<std::size_t>(job.kind)] += job.seconds;
    processor += job.cpu_seconds;
  }
  log_info("{} in all, {} of processor time; commands ran {} for what is made once, {} for training, {} for measuring",
           format_duration(seconds), format_duration(processor), format_duration(spent[0]), format_duration(spent[1]),
           format_duration(spent[2]));
}

std::size_t failed_cells(const std::vector<TableResult>& results) {
  std::size_t failed = 0;
  for (const auto& result : results) {
    for (const auto& line : result.cells) {
      for (const auto& cell : line) failed += cell.note.starts_with("failed");
    }
  }
  return failed;
}

JobOptions job_options(const ReproduceOptions& o, const Scale& scale) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  JobOptions options;
  options.bin = o.bin.empty() ? fs::read_symlink("/proc/self/exe").parent_path() : fs::path(o.bin);
  // Trainings of the paper's size fill a machine; small ones gain from running side by side.
  options.jobs = o.jobs > 0 ? o.jobs : scale.replaces_data ? cores : 1;
  options.threads = options.jobs > 1 ? std::max(1, cores / options.jobs) : 0;
  return options;
}

void run_tables(const ReproduceOptions& given) {
  ReproduceOptions o = given;
  check_seeds(o.seeds);
  check_settings(o.settings);
  const Scale scale = find_scale(o);
  if (o.output.empty()) o.output = scale.name == "paper" ? "runs/reproduce" : "runs/reproduce-" + scale.name;
  const std::vector<std::uint64_t> seeds = !o.seeds.empty()      ? o.seeds
                                           : scale.replaces_data ? std::vector<std::uint64_t>{1, 2, 3}
                                                                 : std::vector<std::uint64_t>{1};
  Plan plan(o, scale, seeds);
  std::vector<PlannedTable> tables;
  for (auto& table : find_tables(o, scale)) {
    auto cells = plan.add(table);
    tables.push_back({std::move(table), std::move(cells)});
  }
  plan.check_settings();
  if (o.list) return list(tables, scale);

  std::error_code error;
  fs::create_directories(o.output, error);
  if (error) throw RunError(o.output + ": cannot be made: " + error.message());
  const FolderLock lock(o.output, "another emotion_reproduce works there; wait for it or give another --output");
  const auto begin = std::chrono::steady_clock::now();
  const auto write = [&] {
    auto results = read_results(tables, plan, scale, seeds, o.output);
    write_tables(results, scale, o.output);
    log_times(plan.jobs(), std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    return results;
  };
  try {
    run_jobs(plan.jobs(), job_options(o, scale));
  } catch (const Interrupted&) {
    write();
    throw;
  }
  const auto results = write();
  log_info("{0}/tables.html, {0}/tables.md, {0}/tables.csv", o.output);
  if (const std::size_t failed = failed_cells(results))
    throw RunError(fmt::format("{} cells failed; why stands below their tables, and in the log of each: {}", failed, o.output));
}

}  // namespace
}  // namespace emotion

void emotion_reproduce(const emotion::ReproduceOptions& options) {
  using namespace emotion;
  if (!options.compare.empty()) {
    const std::string output = options.output.empty() ? "compare.html" : options.output;
    std::vector<fs::path> runs(options.compare.begin(), options.compare.end());
    print_text(compare_runs(runs, output));
    return;
  }
  run_tables(options);
}
