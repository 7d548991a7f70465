#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace emotion {

/// One piece of work: commands one after the other. It is finished when `finished` says so, in this call or an earlier one.
struct Job {
  enum class Kind { kMake, kTrain, kMeasure };
  Kind kind = Kind::kMake;
  std::string name;
  std::vector<std::vector<std::string>> commands;  ///< argv, without the folder of the commands
  std::filesystem::path log;
  std::vector<std::size_t> after;          ///< jobs it needs
  std::function<bool()> finished{};        ///< looks at the disk
  std::function<std::string()> refused{};  ///< why it may not begin although it is not finished; empty: it may
  std::function<void()> begin{};           ///< before the first command
  std::function<void()> end{};             ///< after the last one; throws Error if the result is not there
  std::function<void()> used{};            ///< once every job that needs this one has finished

  std::string error{};  ///< why it failed
  bool done = false;
  double seconds = 0, cpu_seconds = 0;  ///< spent in this call
};

struct JobOptions {
  std::filesystem::path bin;
  int jobs = 1;
  int threads = 0;  ///< of a command; 0 = as it likes
};

/// Runs what is not finished and what that needs, `jobs` at a time; a job that fails leaves the others running, those that need
/// it fail with its error.
/// @throws Interrupted once every command has saved and ended
void run_jobs(std::vector<Job>& jobs, const JobOptions& options);

}  // namespace emotion
