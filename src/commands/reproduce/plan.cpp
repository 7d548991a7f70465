#include "plan.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/train/run_end.h"
#include "figure.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// Eight hexadecimal digits of a text (FNV-1a): in names of folders, so that other contents get another folder.
std::string digest(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ hash >> 32));
}

bool is_named(const std::string& text) { return text.starts_with("data/") || text.starts_with("runs/"); }

constexpr std::string_view kConfigs = "configs/";

/// `data/word2vec.bin` -> `word2vec-1a2b3c4d.bin`
std::string stored_name(const std::string& name, const std::string& hash) {
  const fs::path path(name);
  return path.stem().string() + "-" + hash + path.extension().string();
}

/// What must be the same for two trainings to be one: everything but seed, folder and device.
std::string essence(RunConfig config) {
  config.output.clear();
  config.seed = 1;
  config.device = "auto";
  return print_run_config(config);
}

fs::path weights_of(const fs::path& run, const RunConfig& config) {
  return run / "checkpoints" / (config.data.val ? "best" : "last") / "model.safetensors";
}

/// A text with its `{placeholders}` replaced.
std::string filled(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size()))
      text.replace(at, name.size(), value);
  }
  return text;
}

/// The measurement of one of its folds.
Measurement of_fold(Measurement measurement, const std::string& fold) {
  const std::map<std::string, std::string> values{{"{fold}", fold}};
  measurement.command = filled(measurement.command, values);
  for (auto& setting : measurement.settings) setting = filled(setting, values);
  return measurement;
}

/// What tells the trainings of rows apart.
std::string row_key(const std::string& file, const TableRow& row) {
  return fmt::format("{} {}", file, fmt::join(row.settings, " "));
}

void remove_checkpoints(const fs::path& run) {
  std::error_code ignored;
  fs::remove_all(run / "checkpoints", ignored);
}

}  // namespace

Plan::Plan(const ReproduceOptions& options, const Scale& scale, std::vector<std::uint64_t> seeds)
    : options_(options), scale_(scale), seeds_(std::move(seeds)), out_(options.output) {}

std::vector<std::vector<CellPlan>> Plan::add(const PaperTable& table) {
  std::vector<std::vector<CellPlan>> cells;
  for (const TableRow& row : table.rows) {
    auto& line = cells.emplace_back();
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      if (row.cited()) {
        line.emplace_back();
        continue;
      }
      try {
        line.push_back(cell(table, row, column));
      } catch (const Error& error) {
        line.emplace_back().error = error.what();
        open_.clear();
      }
    }
  }
  return cells;
}

/// The run folders of a training, one a seed. Not by the row's name: rows may share a training.
fs::path Plan::runs_of(const RunConfig& config) const { return out_ / "runs" / (config.task + "-" + digest(essence(config))); }

fs::path Plan::run_of(const TableRow& row) const {
  const auto found = run_of_row_.find(row.cited() ? "" : row_key(row.configs[0], row));
  return found == run_of_row_.end() ? fs::path() : fs::path(found->second) / fmt::format("seed-{}", seeds_[0]);
}

RunConfig Plan::load(const std::string& file, const std::vector<std::string>& more) {
  const fs::path path = fs::path(options_.configs) / file;
  std::vector<std::string> settings;
  const auto append = [&](const std::string& key) {
    const auto found = scale_.settings.find(key);
    if (found != scale_.settings.end()) settings.insert(settings.end(), found->second.begin(), found->second.end());
  };
  const std::string task = load_run_config(path, {}).task;
  append(task);
  append(file);
  settings.insert(settings.end(), more.begin(), more.end());
  tasks_.insert(task);
  // What a row is made of may be of another task.
  std::copy_if(options_.settings.begin(), options_.settings.end(), std::back_inserter(settings),
               [&](const std::string& setting) { return has_effect(setting, task); });
  return load_run_config(path, settings);
}

void Plan::check_settings() const {
  for (const auto& setting : options_.settings) {
    if (!tasks_.empty() &&
        std::none_of(tasks_.begin(), tasks_.end(), [&](const auto& task) { return has_effect(setting, task); }))
      throw ConfigError(fmt::format("--set {}: it has no effect on what these tables train ({}); leave it out", setting,
                                    fmt::join(tasks_, ", ")));
  }
}

void Plan::place_config(RunConfig& config, const PaperTable& table, Use& use) {
  const bool stimuli = config.task == "stimuli" || config.data.picture == "face";
  const SplitParts parts = stimuli ? SplitParts::kStimuli : SplitParts::kSamples;
  for (SplitConfig* split : {&config.data.train, &config.data.val, &config.data.extra}) {
    if (!*split) continue;
    need_split({split->dataset, split->split}, use);
    split->dataset = place(Input{split->dataset, split->split, parts}, table, use);
  }
  for (std::string* path : {&config.data.targets, &config.text.word2vec, &config.text.textcnn, &config.text.vocabulary,
                            &config.model.init, &config.model.expression_init}) {
    if (is_named(*path)) *path = place(*path, table, use);
  }
}

/// The path in use for a name that configs and commands say; what makes it is planned, what is missing is noted.
std::string Plan::place(const Input& input, const PaperTable& table, Use& use) {
  const std::string& name = input.path;
  use.needs.insert(name);
  if (!scale_.replaces_data && fs::exists(name)) {
    if (is_unfinished_run(name)) {
      throw RunError(
          fmt::format("{0}: its training has not ended; wait for it, or go on with: emotion_train --config {0} --resume", name));
    }
    use.inputs.insert(input);
    return name;
  }
  const auto recipe = table.made.find(name);
  if (recipe == table.made.end()) {
    use.missing.insert(name);
    return name;
  }
  if (std::find(open_.begin(), open_.end(), name) != open_.end())
    throw ConfigError(fmt::format("{}: '{}' is made from itself: {} -> {}", table.id, name, fmt::join(open_, " -> "), name));
  open_.push_back(name);
  Use inner;
  const Place made = recipe->second.train.empty() ? make_by_commands(name, recipe->second, table, inner)
                                                  : make_trained(name, recipe->second, table, inner);
  open_.pop_back();
  use.needs.insert(inner.needs.begin(), inner.needs.end());
  use.missing.insert(inner.missing.begin(), inner.missing.end());
  use.unmade.insert(inner.unmade.begin(), inner.unmade.end());
  use.inputs.insert(inner.inputs.begin(), inner.inputs.end());
  if (!inner.missing.empty()) use.unmade.insert(name);
  if (made.job) use.after.push_back(*made.job);
  return made.path.string();
}

/// A data set may be there without a split that is read. One that a recipe makes is not there yet: its recipe is trusted.
void Plan::need_split(const NamedSplit& named, Use& use) const {
  if (scale_.replaces_data || !fs::exists(named.dataset)) return;
  const auto splits = Dataset::open(named.dataset).splits;
  if (std::any_of(splits.begin(), splits.end(), [&](const auto& split) { return split.first == named.split; })) return;
  const std::string item = fmt::format("split {} of {}", named.split, named.dataset);
  use.needs.insert(item);
  use.missing.insert(item);
}

Place Plan::make_trained(const std::string& name, const Recipe& recipe, const PaperTable& table, Use& use) {
  RunConfig config = load(recipe.train, {});
  place_config(config, table, use);
  const fs::path run = out_ / "made" / stored_name(name, digest(essence(config)));
  if (!use.missing.empty()) return {weights_of(run, config), std::nullopt};
  return {weights_of(run, config), add_training(run, config, use, /*keep=*/true)};
}

Place Plan::make_by_commands(const std::string& name, const Recipe& recipe, const PaperTable& table, Use& use) {
  std::vector<std::vector<std::string>> commands;
  for (const auto& command : recipe.commands) commands.push_back(words(command, name, table, use));
  const fs::path made = out_ / "made" / stored_name(name, digest(fmt::format("{}", fmt::join(commands, "\n"))));
  if (!use.missing.empty()) return {made, std::nullopt};
  for (auto& command : commands) {
    for (auto& word : command) {
      if (const std::size_t at = word.find(name); at != std::string::npos && (at == 0 || word[at - 1] == '='))
        word.replace(at, name.size(), made.string());
    }
  }
  const fs::path mark = made.string() + ".finished", note = made.string() + ".inputs.json";
  Job job{.kind = Job::Kind::kMake, .name = name, .commands = commands, .log = made.string() + ".log", .after = use.after};
  const auto kept = [made, mark] { return fs::exists(mark) && fs::exists(made); };
  job.finished = [kept, note, known = known_, inputs = use.inputs] { return kept() && known->changed(note, inputs).empty(); };
  job.refused = refusal(note, use.inputs, kept, name + " was made; --again makes it anew");
  job.begin = [made, mark, note, known = known_, inputs = use.inputs] {
    fs::create_directories(made.parent_path());
    fs::remove(mark);
    fs::remove_all(made);
    write_contents(note, known->contents(inputs));
  };
  job.end = [made, mark, name] {
    if (!fs::exists(made)) throw RunError(name + ": its recipe has not made it");
    write_file_atomically(mark, "");
  };
  return {made, add_job(made.string(), std::move(job))};
}

/// Words of a command; names of configs, data and runs become the paths in use, but for `own`, which the command makes.
std::vector<std::string> Plan::words(const std::string& command, const std::string& own, const PaperTable& table, Use& use) {
  std::vector<std::string> result;
  std::istringstream stream(command);
  for (std::string word; stream >> word;) result.push_back(fill(word, own, table, use));
  return result;
}

std::string Plan::fill(const std::string& token, const std::string& own, const PaperTable& table, Use& use) {
  const std::size_t equals = token.find('=');
  const std::string head = equals == std::string::npos ? "" : token.substr(0, equals + 1), value = token.substr(head.size());
  if (value.starts_with(kConfigs)) {  // beside the tables, wherever those lie
    const fs::path file = fs::path(options_.configs) / value.substr(kConfigs.size());
    use.inputs.insert(Input{file.string()});
    if (!fs::exists(file)) {
      use.needs.insert(file.string());
      use.missing.insert(file.string());
    }
    return head + file.string();
  }
  return is_named(value) && value != own ? head + place(value, table, use) : token;
}

/// Why a job may not begin: what is kept of it was made of other contents, and would be lost. `since` follows "changed since".
std::function<std::string()> Plan::refusal(const fs::path& note, const InputSet& inputs, std::function<bool()> kept,
                                           const std::string& since) const {
  if (options_.again) return {};
  return [note, inputs, kept = std::move(kept), since, known = known_]() -> std::string {
    const std::string changed = kept() ? known->changed(note, inputs) : "";
    return changed.empty() ? "" : fmt::format("{} changed since {}", changed, since);
  };
}

std::size_t Plan::add_job(const std::string& key, Job job) {
  const auto [found, fresh] = job_of_.emplace(key, jobs_.size());
  if (fresh) jobs_.push_back(std::move(job));
  return found->second;
}

std::size_t Plan::add_training(const fs::path& run, const RunConfig& config, const Use& use, bool keep) {
  const fs::path file = run.string() + ".yaml", mark = run / "finished", weights = weights_of(run, config);
  const fs::path note = run.string() + ".inputs.json", last = run / "checkpoints" / "last";
  std::vector<std::string> command{"emotion_train", "--config", file.string(), "--output", run.string(), "--resume"};
  if (!options_.device.empty()) command.insert(command.end(), {"--device", options_.device});
  Job job{.kind = Job::Kind::kTrain,
          .name = "training " + fs::relative(run, out_).string(),
          .commands = {command},
          .log = run.string() + ".log",
          .after = use.after};
  job.finished = [mark, weights, note, known = known_, inputs = use.inputs] {
    return fs::exists(mark) && fs::exists(weights) && known->changed(note, inputs).empty();
  };
  const auto kept = [mark, last] { return fs::exists(mark) || fs::exists(last); };
  job.refused = refusal(note, use.inputs, kept, "the training began; --again trains anew");
  job.begin = [run, file, mark, note, known = known_, inputs = use.inputs, text = print_run_config(config)] {
    fs::create_directories(run.parent_path());
    // Finished once, its weights removed since; or begun with other data.
    if (fs::exists(mark) || !known->changed(note, inputs).empty()) fs::remove_all(run);
    write_file_atomically(file, text);
    write_contents(note, known->contents(inputs));
  };
  job.end = [mark, weights, run] {
    if (!fs::exists(weights)) throw RunError(run.string() + ": the training has left no weights");
    write_file_atomically(mark, "");
  };
  if (!keep) job.used = [run] { remove_checkpoints(run); };
  return add_job(run.string(), std::move(job));
}

std::size_t Plan::add_measurement(const Measurement& measurement, const std::vector<std::string>& command, const fs::path& folder,
                                  const std::string& name, const Use& use) {
  Job job{.kind = Job::Kind::kMeasure,
          .name = measurement.name + " of " + name,
          .commands = {command},
          .log = folder / "log.txt",
          .after = use.after};
  const fs::path metrics = folder / "metrics.json", note = folder / "inputs.json";
  job.finished = [metrics, note, measurement, known = known_, inputs = use.inputs] {
    return has_metric(metrics, measurement) && known->changed(note, inputs).empty();
  };
  job.begin = [metrics, note, name = job.name, known = known_, inputs = use.inputs] {
    fs::create_directories(metrics.parent_path());
    const std::string changed = fs::exists(metrics) ? known->changed(note, inputs) : "";
    if (!changed.empty()) log_info("{}: {} changed since; measuring again", name, changed);
    fs::remove(metrics);
    write_contents(note, known->contents(inputs));
  };
  job.end = [metrics, measurement, program = command[0]] {
    if (!fs::exists(metrics)) throw RunError(program + " has written no metrics.json");
    read_metric(metrics, measurement);
  };
  return add_job(metrics.string(), std::move(job));
}

Plan::Trial Plan::prepare(const PaperTable& table, const TableRow& row, const std::string& file, Measurement measurement) {
  Trial trial;
  std::vector<std::string> settings = measurement.settings;
  settings.insert(settings.end(), row.settings.begin(), row.settings.end());
  trial.config = load(file, settings);
  if (row.trained) {
    place_config(trial.config, table, trial.use);
    trial.trained_on = trial.use.inputs;
  } else if (is_named(trial.config.model.init)) {
    trial.config.model.init = place(trial.config.model.init, table, trial.use);
  }
  for (const NamedSplit& split : splits_read(measurement.command)) need_split(split, trial.use);
  trial.command = words(measurement.command, "", table, trial.use);
  if (!row.trained && trial.config.model.init.empty())
    throw ConfigError(file + ": the row is not trained, and model.init names no weights");
  trial.measurement = std::move(measurement);
  return trial;
}

CellPlan Plan::cell(const PaperTable& table, const TableRow& row, std::size_t column) {
  const Measurement& measurement = table.columns[column];
  const std::string& file = row.configs[column];
  std::vector<Trial> trials;
  if (measurement.folds.empty()) trials.push_back(prepare(table, row, file, measurement));
  for (const auto& fold : measurement.folds) trials.push_back(prepare(table, row, file, of_fold(measurement, fold)));
  CellPlan plan;
  for (const Trial& trial : trials) {
    plan.needs.insert(trial.use.needs.begin(), trial.use.needs.end());
    plan.missing.insert(trial.use.missing.begin(), trial.use.missing.end());
    plan.unmade.insert(trial.use.unmade.begin(), trial.use.unmade.end());
  }
  if (!plan.missing.empty()) return plan;
  if (row.trained) run_of_row_.emplace(row_key(file, row), runs_of(trials[0].config).string());
  for (const std::uint64_t seed : seeds_) {
    for (const Trial& trial : trials) add_trial(plan, row, trial, seed);
  }
  return plan;
}

void Plan::add_trial(CellPlan& plan, const TableRow& row, Trial trial, std::uint64_t seed) {
  RunConfig& config = trial.config;
  const fs::path runs = runs_of(config);
  const std::string name = runs.filename().string(), part = fmt::format("seed-{}", seed);
  fs::path checkpoint = config.model.init;
  if (row.trained) {
    config.seed = seed;
    const bool keep = options_.keep_weights || !scale_.replaces_data;
    Use training = trial.use;
    training.inputs = trial.trained_on;
    trial.use.after.push_back(add_training(runs / part, config, training, keep));
    checkpoint = runs / part;
  }
  const std::string measured = trial.measurement.name + "-" + digest(fmt::format("{}", fmt::join(trial.command, " ")));
  const fs::path folder = out_ / "results" / name / part / measured;
  std::vector<std::string> command;
  for (const auto& word : trial.command) {
    command.push_back(
        filled(word, {{"{checkpoint}", checkpoint.string()}, {"{seed}", std::to_string(seed)}, {"{output}", folder.string()}}));
  }
  if (!row.trained) {
    for (const auto& setting : {"model.backbone=" + config.model.backbone, fmt::format("data.resize={}", config.data.resize),
                                fmt::format("data.size={}", config.data.size)})
      command.insert(command.end(), {"--set", setting});
  }
  if (!options_.device.empty()) command.insert(command.end(), {"--device", options_.device});
  plan.jobs.push_back(add_measurement(trial.measurement, command, folder, fmt::format("{}, {}", name, part), trial.use));
  plan.metrics.push_back(folder / "metrics.json");
}

}  // namespace emotion
