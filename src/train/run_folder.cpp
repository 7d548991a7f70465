#include "run_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

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

void check_same_config(const RunConfig& config, const fs::path& stored_file) {
  const RunConfig stored = parse_run_config(read_file(stored_file), stored_file.string());
  const auto before = config_values(stored);
  const auto now = config_values(config);
  std::vector<std::string> different;
  for (const auto& [key, is] : now) {
    const auto was = std::find_if(before.begin(), before.end(), [&](const auto& value) { return value.first == key; });
    if (was == before.end() || was->second == is || is_free(key)) continue;
    different.push_back(fmt::format("{} was {}, is {}", key, was->second, is));
    if (key == "task") break;  // other keys, other defaults: all of them would be listed
  }
  if (!different.empty())
    throw ConfigError(fmt::format("{}: --resume with another config: {}", stored_file.string(), fmt::join(different, "; ")));
}

}  // namespace

FolderLock open_run_folder(const RunConfig& config, bool resume) {
  const fs::path run = config.output;
  constexpr const char* kHeld = "another process trains into it; wait for it, or give another --output";
  try {
    if (fs::exists(run) && !fs::is_directory(run)) throw ConfigError(run.string() + ": output is a file; give a folder");
    if (!resume && fs::exists(run) && !fs::is_empty(run)) {
      throw ConfigError(run.string() + ": the output folder is in use; --resume goes on with it, --output takes another");
    }
    fs::create_directories(run);
    FolderLock lock(run, kHeld);
    if (resume && fs::exists(run / "config.yaml")) check_same_config(config, run / "config.yaml");
    return lock;
  } catch (const fs::filesystem_error& error) {
    throw RunError(run.string() + ": cannot be made: " + error.code().message());
  }
}

}  // namespace emotion
