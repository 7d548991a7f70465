#include "emotion/commands/train.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/report/run_report.h"
#include "emotion/train/trainer.h"
#include "launch.h"
#include "train_report.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kExamples = 12;

/// What all processes of a run must agree on: every key but those that belong to a host.
std::vector<std::pair<std::string, std::string>> values_to_compare(const RunConfig& config) {
  auto values = config_values(config);
  std::erase_if(values, [](const auto& value) { return value.first == "device" || value.first == "data.workers"; });
  return values;
}

/// The run, with RUN/validation.json and RUN/report.html kept up to date beside it.
void train_with_report(const RunConfig& config, bool resume, int profile, const Launch& launch, const std::string& moved_from) {
  const ProcessGroup group = ProcessGroup::join(launch, values_to_compare(config), config.train.distributed_timeout);
  if (!moved_from.empty())  // here only rank 0 speaks
    log_info("{}: the run in this folder goes on, though its config.yaml says output: {}", config.output, moved_from);
  const fs::path run = config.output;
  const auto write_report = [&] {
    const bool pictures = config.task != "textcnn" && config.data.val;
    write_run_report(run, pictures ? Dataset::open(config.data.val.dataset).images() : fs::path());
  };
  const auto begin = std::chrono::steady_clock::now();
  RunTimes times = resume ? read_times(config) : RunTimes{};
  const double before = times.seconds;
  const auto note_time = [&] {
    times.seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    write_times(config, times);
  };
  // A run that is stopped has taken its time too. One that has saved nothing may not even have had the folder.
  const double saving_before = times.stages.checkpoints;
  const auto note_time_so_far = [&] {
    if (!group.is_root() || times.stages.checkpoints <= saving_before) return;
    try {
      note_time();
    } catch (const std::exception& error) {
      log_warning("the time of this run is not noted: {}", error.what());
    }
  };
  ChosenSamples chosen;
  TrainHooks hooks;
  hooks.begins = [&](const ChosenSamples& samples) { chosen = samples; };
  hooks.profile_steps = profile;
  hooks.times = &times.stages;
  hooks.evaluated = [&](const ValidationEvent& e) {
    const auto examples = confident_examples(e.predictions, e.samples, e.manifest, e.classes, kExamples);
    write_file_atomically(run / "validation.json", metrics_json(e.metrics, e.classes, e.predictions.size(), examples));
    if (!fs::exists(run / "data.json")) write_data_summary(config, chosen);
    note_time();
    write_report();
  };
  try {
    train(config, resume, hooks, group);
  } catch (...) {
    note_time_so_far();
    throw;
  }
  if (!group.is_root()) return;
  write_data_summary(config, chosen);
  bool mapped = true;
  try {
    write_feature_map(config);
  } catch (const Interrupted&) {  // the run itself is done
    mapped = false;
  }
  note_time();
  write_report();
  if (!mapped)
    throw Interrupted(
        fmt::format("interrupted; the training is complete, features.json alone was not written; it is with: "
                    "emotion_train --config {} --resume",
                    (run / "config.yaml").string()));
}

/// The YAML file that --config names: itself, or the one in a run folder.
fs::path config_file(const fs::path& config) {
  if (!fs::is_directory(config)) return config;
  if (fs::exists(config / "config.yaml")) return config / "config.yaml";
  throw ConfigError(config.string() + ": this folder holds no config.yaml; give a run folder or a YAML file");
}

/// True for RUN/config.yaml: a run has metrics.jsonl before its first step, and a copy of one its checkpoints at least.
bool is_kept_config(const fs::path& file) {
  const fs::path run = file.parent_path();
  return file.filename() == "config.yaml" &&
         (fs::exists(run / "metrics.jsonl") || fs::exists(fs::symlink_status(run / "checkpoints/last")));
}

/// The config of a command. A run that goes on by the config.yaml in its folder goes on there, wherever the folder is by now and
/// whatever the working directory: `moved_from` is then the `output` that the file names.
RunConfig load_config(const TrainOptions& options, std::string& moved_from) {
  std::vector<std::pair<std::string, std::string>> flags;
  if (!options.output.empty()) flags.emplace_back("output", options.output);
  if (!options.device.empty()) flags.emplace_back("device", options.device);
  const fs::path file = config_file(options.config);
  RunConfig config = load_run_config(file, options.settings, flags);
  const bool set =
      std::any_of(options.settings.begin(), options.settings.end(), [](const auto& s) { return s.starts_with("output="); });
  if (!options.resume || set || !options.output.empty() || !is_kept_config(file)) return config;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  std::error_code none;
  if (fs::equivalent(folder, config.output, none)) return config;
  moved_from = std::exchange(config.output, folder.string());
  return config;
}

void run_train(const TrainOptions& options) {
  if (options.schema) {
    print_text(run_config_schema());
    return;
  }
  if (options.config.empty()) throw ConfigError("--config is missing; emotion_train --config FILE, see --help");
  std::string moved_from;
  const RunConfig config = load_config(options, moved_from);
  if (options.print_config) {
    print_text(print_run_config(config));
    return;
  }
  const Launch launch = find_launch(options.nproc);
  if (options.nproc > 1) {
    launch_processes(options.nproc, config.train.distributed_timeout, "--resume goes on from the last checkpoint");
  } else {
    train_with_report(config, options.resume, options.profile, launch, moved_from);
  }
}

}  // namespace
}  // namespace emotion

void emotion_train(const emotion::TrainOptions& options) {
  emotion::run_as_launched([&] { emotion::run_train(options); });
}
