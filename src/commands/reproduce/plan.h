#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "emotion/commands/reproduce.h"
#include "emotion/config/run_config.h"
#include "emotion/report/paper_table.h"
#include "inputs.h"
#include "job.h"
#include "splits.h"

namespace emotion {

/// Where something that configs name lies, and the job that makes it.
struct Place {
  std::filesystem::path path;
  std::optional<std::size_t> job;
};

/// What a cell of a table needs.
struct CellPlan {
  std::set<std::string> needs{};                 ///< every data/.. and runs/.. it comes down to, recipes followed
  std::set<std::string> missing;                 ///< those that are not there and that nothing makes; `split val of data/fi`
  std::set<std::string> unmade{};                ///< what a recipe would make if what it reads were not missing
  std::string error{};                           ///< its config cannot be used
  std::vector<std::size_t> jobs{};               ///< measurements, a seed's folds side by side; empty where it cannot be run
  std::vector<std::filesystem::path> metrics{};  ///< what each of them writes
};

/// Turns tables into jobs. Trainings and made data are named by what they are made of, so that rows which ask for the same share
/// it, and a config that has changed never meets an old result. What was made of data or weights that have changed since is not
/// taken for a result: measurements are redone, trainings and made data wait for --again.
class Plan {
 public:
  Plan(const ReproduceOptions& options, const Scale& scale, std::vector<std::uint64_t> seeds);

  /// The cells of a table, [row][column], and their jobs behind those of earlier tables.
  std::vector<std::vector<CellPlan>> add(const PaperTable& table);
  /// Once all tables are added. @throws ConfigError for a setting that no training of theirs has a key for
  void check_settings() const;
  std::vector<Job>& jobs() { return jobs_; }
  /// Run folder of a row's first seed and fold; empty for one that is not trained.
  std::filesystem::path run_of(const TableRow& row) const;

 private:
  /// What a plan collects on its way down.
  struct Use {
    std::set<std::string> needs, missing, unmade;
    std::vector<std::size_t> after;
    InputSet inputs;  ///< what is read of it, down to what is on the disk
  };

  /// A training and its measurement, but for the seed.
  struct Trial {
    Measurement measurement;
    RunConfig config;
    std::vector<std::string> command;  ///< {checkpoint}, {seed} and {output} are still to be filled
    Use use;
    InputSet trained_on{};  ///< the training's part of what is used
  };

  CellPlan cell(const PaperTable& table, const TableRow& row, std::size_t column);
  Trial prepare(const PaperTable& table, const TableRow& row, const std::string& file, Measurement measurement);
  void add_trial(CellPlan& plan, const TableRow& row, Trial trial, std::uint64_t seed);
  std::filesystem::path runs_of(const RunConfig& config) const;
  RunConfig load(const std::string& file, const std::vector<std::string>& more);
  void place_config(RunConfig& config, const PaperTable& table, Use& use);
  std::string place(const std::string& name, const PaperTable& table, Use& use) { return place(Input{name}, table, use); }
  std::string place(const Input& input, const PaperTable& table, Use& use);
  void need_split(const NamedSplit& named, Use& use) const;
  Place make_trained(const std::string& name, const Recipe& recipe, const PaperTable& table, Use& use);
  Place make_by_commands(const std::string& name, const Recipe& recipe, const PaperTable& table, Use& use);
  std::string fill(const std::string& token, const std::string& own, const PaperTable& table, Use& use);
  std::vector<std::string> words(const std::string& command, const std::string& own, const PaperTable& table, Use& use);
  std::size_t add_training(const std::filesystem::path& run, const RunConfig& config, const Use& use, bool keep);
  std::size_t add_measurement(const Measurement& measurement, const std::vector<std::string>& command,
                              const std::filesystem::path& folder, const std::string& name, const Use& use);
  std::function<std::string()> refusal(const std::filesystem::path& note, const InputSet& inputs, std::function<bool()> kept,
                                       const std::string& since) const;
  std::size_t add_job(const std::string& key, Job job);

  const ReproduceOptions& options_;
  const Scale& scale_;
  std::vector<std::uint64_t> seeds_;
  std::filesystem::path out_;
  std::set<std::string> tasks_;  ///< of the configs that were loaded
  std::vector<Job> jobs_;
  std::map<std::string, std::size_t> job_of_;      ///< by what it makes
  std::map<std::string, std::string> run_of_row_;  ///< by config and settings
  std::shared_ptr<KnownInputs> known_ = std::make_shared<KnownInputs>();
  std::vector<std::string> open_;  ///< recipes being followed: one that needs itself is found
};

}  // namespace emotion
