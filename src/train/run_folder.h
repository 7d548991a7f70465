#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "emotion/config/run_config.h"
#include "emotion/io/file_lock.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

/// The folder of a run: no other process trains into it while this lives.
struct RunFolder {
  FolderLock lock;
  bool made;  ///< it was not there before
};

/// Makes the run folder, or checks that the one there can be gone on with. Without `resume` it may hold what a run that failed in
/// its first steps has left; with it a run that has no checkpoint begins anew, whatever its config was.
/// @throws ConfigError (in use, a file, another config, another process), RunError
[[nodiscard]] RunFolder open_run_folder(const RunConfig& config, bool resume);

/// Removes what a run that failed in its first steps has left. @throws ConfigError if there is something else, RunError
void clear_failed_start(const std::filesystem::path& run);

/// For a run that goes on: a warning for each key of its length that is another than in its folder's config.yaml, and what it
/// does to a schedule that ends with the run.
void warn_of_new_length(const RunConfig& config, std::int64_t steps_per_epoch);

/// The same for a run that was begun by another number of processes: its steps are of another size.
void warn_of_new_processes(const RunConfig& config, std::int64_t before, std::int64_t now);

/// Weights are of classes and words in their order: those of a checkpoint, and those of the data by now.
/// @throws ConfigError naming `where` and what differs
void check_same_names(const ModelInfo& before, const ModelInfo& now, const std::string& where);

}  // namespace emotion
