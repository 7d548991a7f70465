#include "job.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <list>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "child.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {
namespace {

using Clock = std::chrono::steady_clock;

enum class State { kWaiting, kRunning, kEnded };

class Schedule {
 public:
  Schedule(std::vector<Job>& jobs, const JobOptions& options) : jobs_(jobs), options_(options), states_(jobs.size()) {
    users_.resize(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      for (const std::size_t need : jobs[i].after) users_[need].push_back(i);
    }
    choose();
  }

  void run() {
    while (open_ > 0) {
      const bool stop = stop_requested();
      if (stop) {
        for (auto& running : running_) running.child.interrupt();
        if (running_.empty()) throw Interrupted("interrupted; what is finished is kept, the same command goes on with the rest");
      } else {
        start_ready();
      }
      poll();
      if (open_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(running_.empty() ? 1 : 20));
    }
  }

 private:
  struct Running {
    std::size_t job;
    std::size_t command;
    Child child;
    Clock::time_point begin;
  };

  /// Jobs are made before those that need them: a job is wanted if it is not finished and one that is wanted needs it.
  void choose() {
    std::vector<bool> wanted(jobs_.size());
    for (std::size_t i = jobs_.size(); i-- > 0;) {
      Job& job = jobs_[i];
      job.done = job.finished();
      const bool needed = job.kind == Job::Kind::kMeasure ||
                          std::any_of(users_[i].begin(), users_[i].end(), [&](std::size_t user) { return wanted[user]; });
      if (needed && !job.done && job.refused) job.error = job.refused();
      if (!job.error.empty()) log_warning("{}: {}", job.name, job.error);
      wanted[i] = needed && !job.done && job.error.empty();
      states_[i] = wanted[i] ? State::kWaiting : State::kEnded;
      open_ += wanted[i];
    }
    total_ = open_;
  }

  void start_ready() {
    for (std::size_t i = 0; i < jobs_.size() && running_.size() < static_cast<std::size_t>(options_.jobs); ++i) {
      if (states_[i] != State::kWaiting) continue;
      bool ready = true;
      for (const std::size_t need : jobs_[i].after) {
        if (!jobs_[need].error.empty()) {
          fail(i, jobs_[need].error);
          ready = false;
          break;
        }
        ready = ready && states_[need] == State::kEnded;
      }
      if (ready)
        attempt(i, [&] {
          jobs_[i].begin();
          states_[i] = State::kRunning;
          start_command(i, 0);
        });
    }
  }

  void start_command(std::size_t i, std::size_t command) {
    std::vector<std::string> argv = jobs_[i].commands[command];
    std::ofstream(jobs_[i].log, std::ios::app) << fmt::format("$ {}\n", fmt::join(argv, " "));
    argv[0] = (options_.bin / argv[0]).string();
    running_.push_back({i, command, Child(argv, jobs_[i].log, options_.threads), Clock::now()});
  }

  /// An error of one job is its own.
  template <class Action>
  void attempt(std::size_t i, Action&& action) {
    try {
      action();
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      fail(i, error.what());
    }
  }

  void poll() {
    for (auto running = running_.begin(); running != running_.end();) {
      const auto code = running->child.poll();
      if (!code) {
        ++running;
        continue;
      }
      const std::size_t i = running->job, command = running->command;
      jobs_[i].seconds += std::chrono::duration<double>(Clock::now() - running->begin).count();
      jobs_[i].cpu_seconds += running->child.cpu_seconds();
      running = running_.erase(running);
      ended(i, command, *code);
    }
  }

  void ended(std::size_t i, std::size_t command, int code) {
    Job& job = jobs_[i];
    if (stop_requested() && (code != 0 || command + 1 < job.commands.size())) {  // the next call resumes from what it saved
      states_[i] = State::kWaiting;
      return;
    }
    if (code != 0) {
      const std::string reason = last_line(job.log);
      fail(i, fmt::format("{} ended with {}: {}", job.commands[command][0], code,
                          reason.empty() || reason.starts_with("$ ") ? "it says nothing" : reason));
      return;
    }
    attempt(i, [&] {
      if (command + 1 < job.commands.size()) {
        start_command(i, command + 1);
        return;
      }
      job.end();
      job.done = true;
      close(i);
      log_info("[{}/{}] {}: {}", total_ - open_, total_, job.name, format_duration(job.seconds));
    });
  }

  void fail(std::size_t i, const std::string& error) {
    if (jobs_[i].error.empty()) jobs_[i].error = error;
    close(i);
    log_warning("[{}/{}] {}: failed: {}", total_ - open_, total_, jobs_[i].name, error);
  }

  void close(std::size_t i) {
    if (states_[i] != State::kEnded) --open_;
    states_[i] = State::kEnded;
    for (const std::size_t need : jobs_[i].after) {
      const auto& users = users_[need];
      if (jobs_[need].used && std::all_of(users.begin(), users.end(), [&](std::size_t user) { return jobs_[user].done; }))
        jobs_[need].used();
    }
  }

  std::vector<Job>& jobs_;
  const JobOptions& options_;
  std::vector<State> states_;
  std::vector<std::vector<std::size_t>> users_;
  std::list<Running> running_;
  std::size_t open_ = 0, total_ = 0;
};

}  // namespace

void run_jobs(std::vector<Job>& jobs, const JobOptions& options) { Schedule(jobs, options).run(); }

}  // namespace emotion
