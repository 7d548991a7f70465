#include "emotion/commands/train.h"

#include <chrono>
#include <filesystem>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/io/file.h"
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
void train_with_report(const RunConfig& config, bool resume, int profile, const Launch& launch) {
  const ProcessGroup group = ProcessGroup::join(launch, values_to_compare(config), config.train.distributed_timeout);
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
  TrainHooks hooks;
  hooks.profile_steps = profile;
  hooks.times = &times.stages;
  hooks.evaluated = [&](const Evaluation& e) {
    const auto examples = confident_examples(e.predictions, e.samples, e.manifest, e.classes, kExamples);
    write_file_atomically(run / "validation.json", metrics_json(e.metrics, e.classes, e.predictions.size(), examples));
    if (!fs::exists(run / "data.json")) write_data_summary(config);
    note_time();
    write_report();
  };
  train(config, resume, hooks, group);
  if (!group.is_root()) return;
  write_data_summary(config);
  write_feature_map(config);
  note_time();
  write_report();
}

void run_train(const TrainOptions& options) {
  if (options.schema) {
    print_text(run_config_schema());
    return;
  }
  if (options.config.empty()) throw ConfigError("--config is missing; emotion_train --config FILE, see --help");
  std::vector<std::string> settings = options.settings;
  if (!options.output.empty()) settings.push_back("output=" + options.output);
  if (!options.device.empty()) settings.push_back("device=" + options.device);
  const RunConfig config = load_run_config(options.config, settings);
  if (options.print_config) {
    print_text(print_run_config(config));
    return;
  }
  const Launch launch = find_launch(options.nproc);
  if (options.nproc > 1) {
    launch_processes(options.nproc, config.train.distributed_timeout, "--resume goes on from the last checkpoint");
  } else {
    train_with_report(config, options.resume, options.profile, launch);
  }
}

}  // namespace
}  // namespace emotion

void emotion_train(const emotion::TrainOptions& options) {
  emotion::run_as_launched([&] { emotion::run_train(options); });
}
