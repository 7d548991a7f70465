#include "run_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "unfinished_save.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// Keys that may differ when a run goes on: they do not change what is computed. data.on_error does not either until a picture is
/// broken, and is what a run that stopped at one goes on with.
bool is_free(const std::string& key) {
  static const std::set<std::string> keys{"output",
                                          "device",
                                          "data.workers",
                                          "data.cache_mb",
                                          "data.on_error",
                                          "train.epochs",
                                          "train.max_steps",
                                          "train.log_every",
                                          "train.distributed_timeout",
                                          "checkpoint.every_minutes",
                                          "checkpoint.keep"};
  return keys.contains(key) || key.starts_with("probe.");
}

/// True where a run has been in the folder, and has kept nothing to go on from.
bool is_without_checkpoint(const fs::path& run) {
  return fs::exists(run / "config.yaml") && fs::exists(run / "log.txt") &&
         !fs::exists(fs::symlink_status(run / "checkpoints" / "last"));
}

void check_same_config(const RunConfig& config, const fs::path& stored_file) {
  const RunConfig stored = parse_run_config(read_file(stored_file), stored_file.string());
  const auto before = config_values(stored);
  const auto now = config_values(config);
  std::vector<std::string> different;
  for (const auto& [key, is] : now) {
    const auto was =
        std::find_if(before.begin(), before.end(), [&wanted = key](const auto& value) { return value.first == wanted; });
    if (was == before.end() || was->second == is || is_free(key)) continue;
    different.push_back(fmt::format("{} was {}, is {}", key, was->second, is));
    if (key == "task") break;  // other keys, other defaults: all of them would be listed
  }
  if (!different.empty())
    throw ConfigError(fmt::format("{}: --resume with another config: {}", stored_file.string(), fmt::join(different, "; ")));
}

/// What a run has written before its first step, and before a checkpoint: nobody misses it.
bool is_from_the_start(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (name == "checkpoints")
    return entry.is_directory() &&
           std::all_of(fs::directory_iterator(entry.path()), fs::directory_iterator(), is_unfinished_save);
  if (!entry.is_regular_file()) return false;
  if (name == "metrics.jsonl") return entry.file_size() == 0;
  return name == "config.yaml" || name == "log.txt" || name == "data.json" || name == "times.json" ||
         name.starts_with("trace.json") || name.starts_with("events.out.tfevents.");
}

/// What a run from the start replaces, where that loses nothing. config.yaml alone may be a user's: log.txt shows a run.
/// @throws ConfigError where it would lose something
std::vector<fs::path> left_by_failed_start(const fs::path& run) {
  std::vector<fs::path> left;
  bool from_the_start = true;
  for (const auto& entry : fs::directory_iterator(run)) {
    from_the_start = from_the_start && is_from_the_start(entry);
    left.push_back(entry.path());
  }
  if (left.empty()) return left;
  const bool failed = is_without_checkpoint(run);
  if (failed && !from_the_start)
    throw ConfigError(run.string() +
                      ": the output folder holds a run without a checkpoint; --resume begins it anew, or give another --output");
  if (!failed) throw ConfigError(run.string() + ": the output folder is in use; go on with --resume, or give another --output");
  return left;
}

/// Steps after which a run ends.
std::int64_t length(const TrainConfig& train, std::int64_t steps_per_epoch) {
  const std::int64_t epochs = train.epochs * steps_per_epoch;
  return train.max_steps > 0 ? std::min(epochs, train.max_steps) : epochs;
}

}  // namespace

void warn_of_new_length(const RunConfig& config, std::int64_t steps_per_epoch) {
  const fs::path file = fs::path(config.output) / "config.yaml";
  if (!fs::exists(file)) return;
  const TrainConfig before = parse_run_config(read_file(file), file.string()).train, &now = config.train;
  const std::int64_t was = length(before, steps_per_epoch), is = length(now, steps_per_epoch);
  std::string effect;
  if (config.schedule.name == "cosine" && is != was)
    effect = fmt::format(": the cosine schedule is {} from {} to {} steps", is > was ? "stretched" : "shortened", was, is);
  if (now.epochs != before.epochs) log_warning("train.epochs was {} and is {}{}", before.epochs, now.epochs, effect);
  if (now.max_steps != before.max_steps)
    log_warning("train.max_steps was {} and is {}{}", before.max_steps, now.max_steps, effect);
}

void warn_of_new_processes(const RunConfig& config, std::int64_t before, std::int64_t now) {
  if (before == now) return;
  const std::int64_t own = std::int64_t{config.train.batch} * config.train.accumulate;
  log_warning("the run had {} processes and has {}: a step was of {} samples and is of {}; --nproc {} goes on as before", before,
              now, own * before, own * now, before);
}

void check_same_names(const ModelInfo& before, const ModelInfo& now, const std::string& where) {
  if (before.classes != now.classes)
    throw ConfigError(fmt::format("{}: the classes were {}, are {}: the data set or data.targets has changed", where,
                                  fmt::join(before.classes, ", "), fmt::join(now.classes, ", ")));
  // An older checkpoint does not say the others.
  if (!before.extra_classes.empty() && before.extra_classes != now.extra_classes)
    throw ConfigError(
        fmt::format("{}: the classes of data.extra were {}, are {}: the data set has changed; give another --output", where,
                    fmt::join(before.extra_classes, ", "), fmt::join(now.extra_classes, ", ")));
  if (before.vocabulary.empty() || before.vocabulary == now.vocabulary) return;
  const auto [was, is] =
      std::mismatch(before.vocabulary.begin(), before.vocabulary.end(), now.vocabulary.begin(), now.vocabulary.end());
  throw ConfigError(
      fmt::format("{}: the vocabulary had {} words, has {}, and word {} was {}, is {}: the data set or "
                  "text.vocabulary has changed; give another --output",
                  where, before.vocabulary.size(), now.vocabulary.size(), was - before.vocabulary.begin() + 1,
                  was == before.vocabulary.end() ? "none" : *was, is == now.vocabulary.end() ? "none" : *is));
}

RunFolder open_run_folder(const RunConfig& config, bool resume) {
  const fs::path run = config.output;
  constexpr const char* kHeld = "another process trains into it; wait for it, or give another --output";
  try {
    if (fs::exists(run) && !fs::is_directory(run)) throw ConfigError(run.string() + ": output is a file; give a folder");
    const bool made = fs::create_directories(run);
    RunFolder folder{FolderLock(run, kHeld), made};
    if (!resume) left_by_failed_start(run);
    if (resume && fs::exists(run / "config.yaml") && !is_without_checkpoint(run)) check_same_config(config, run / "config.yaml");
    return folder;
  } catch (const fs::filesystem_error& error) {
    throw RunError(run.string() + ": cannot be made: " + error.code().message());
  }
}

void clear_failed_start(const fs::path& run) {
  try {
    const auto left = left_by_failed_start(run);
    for (const fs::path& path : left) fs::remove_all(path);
    if (!left.empty()) log_info("{}: a run that ended before its first checkpoint is replaced", run.string());
  } catch (const fs::filesystem_error& error) {
    throw RunError(run.string() + ": cannot be cleared: " + error.code().message());
  }
}

}  // namespace emotion
