#include "emotion/data/fetch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <span>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "download.h"
#include "emotion/data/decode.h"
#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/file_lock.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/threads.h"
#include "importers/files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// One URL and every path that wants it.
struct Job {
  std::string url;
  std::vector<std::string> paths;
  std::string twin{};  ///< a path that has the URL's picture already, or so it looks
};

/// failures.tsv: what is missing and why. Lines are added as failures happen; the end writes it again without what came since.
class FailureFile {
 public:
  explicit FailureFile(fs::path file) : file_(std::move(file)) {
    if (fs::is_regular_file(file_)) read();
    out_.open(file_, std::ios::binary | std::ios::app);
    if (!out_) throw RunError(fmt::format("{}: cannot be written: {}", file_.string(), std::strerror(errno)));
  }

  /// The URL failed for good at that path in an earlier run.
  bool is_final(const std::string& path, const std::string& url) const {
    const auto found = failures_.find(path);
    return found != failures_.end() && found->second.final && found->second.url == url;
  }
  void add(const std::string& path, const std::string& url, bool final, const std::string& reason) {
    failures_[path] = {url, reason, final};
    out_ << line(path, failures_[path]) << std::flush;
  }
  void remove(const std::string& path) { failures_.erase(path); }

  void close() {
    out_.close();
    std::error_code ignored;
    if (failures_.empty()) {
      fs::remove(file_, ignored);
      return;
    }
    write_file_atomically(file_, [&](std::ostream& out) {
      for (const auto& [path, failure] : failures_) out << line(path, failure);
    });
  }

 private:
  struct Failure {
    std::string url, reason;
    bool final = false;
  };

  static std::string line(const std::string& path, const Failure& failure) {
    return fmt::format("{}\t{}\t{}\t{}\n", path, failure.url, failure.final ? "final" : "passing", failure.reason);
  }

  /// A line that is not whole (the run was killed) is ignored.
  void read() {
    const std::string text = read_file(file_);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;
      std::array<std::string, 4> fields;
      std::size_t at = begin, count = 0;
      for (; count < 4 && at <= end; ++count) {
        const std::size_t stop = count == 3 ? end : std::min(text.find('\t', at), end);
        fields[count] = text.substr(at, stop - at);
        at = stop + 1;
      }
      if (count == 4) failures_[fields[0]] = {fields[1], fields[3], fields[2] == "final"};
      begin = end + 1;
    }
    if (!text.empty() && !text.ends_with('\n')) fs::resize_file(file_, text.rfind('\n') + 1);
  }

  fs::path file_;
  std::map<std::string, Failure> failures_;
  std::ofstream out_;
};

/// A path whose picture cannot be written there, though others can be written elsewhere.
struct Unwritten {
  std::string path, reason;
  bool final = false;
};

/// What no later file can pass by: the disk is full, broken or read-only, or the whole folder is closed to us.
bool ends_run(int error, const fs::path& out) {
  if (error == EACCES || error == EPERM) return ::access(out.c_str(), W_OK | X_OK) != 0;
  return error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS;
}

/// Its name, or what lies in its way; trying again does not help.
bool is_lasting(int error) { return error == ENAMETOOLONG || error == ENOTDIR || error == EISDIR || error == EEXIST; }

/// 0, or the errno of what failed; nothing is left then.
int write_whole(const fs::path& file, const fs::path& temporary, std::string_view content) {
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 && errno == ENOENT) {
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    if (error) return error.value();
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  if (fd < 0) return errno;
  int problem = 0;
  while (problem == 0 && !content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno != EINTR) problem = errno;
    if (written > 0) content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(fd) != 0 && problem == 0) problem = errno;
  if (problem == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) problem = errno;
  if (problem != 0) ::unlink(temporary.c_str());
  return problem;
}

/// Under a temporary name first, so that what has the final name is whole; a short one, for the final one may be as long as names
/// can be. No fsync a file: one syncfs ends the run, and a file that a power cut left empty is fetched again.
/// @throws RunError where no other picture could be written either
std::optional<Unwritten> write_picture(const fs::path& out, const std::string& path, std::string_view content) {
  static std::atomic<std::uint64_t> number = 0;
  const fs::path file = path_below(out, path);
  const int error = write_whole(file, file.parent_path() / fmt::format(".fetch.{}.{}", ::getpid(), number++), content);
  if (error == 0) return {};
  const std::string reason = "cannot be written: " + std::generic_category().message(error);
  if (ends_run(error, out)) throw RunError(file.string() + ": " + reason);
  return Unwritten{path, reason, is_lasting(error)};
}

/// Threads that decode what came and write it where it is wanted.
class Verifier {
 public:
  struct Done {
    std::size_t job = 0;
    bool copied = false;               // from the twin
    std::string failure;               // empty = a picture
    std::vector<Unwritten> unwritten;  // of its paths
  };

  Verifier(const std::vector<Job>& jobs, const fs::path& out, int workers, std::function<void()> wake)
      : jobs_(jobs), out_(out), wake_(std::move(wake)) {
    threads_ = start_threads(worker_count(workers), [this] { run(); });
  }
  ~Verifier() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  /// A body; without one the twin is taken.
  void add(DownloadResult&& result) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(result));
      ++pending_;
    }
    work_.notify_one();
  }
  /// @throws what a thread met that is no picture's fault: a full disk, no memory
  std::vector<Done> take() {
    const std::lock_guard lock(mutex_);
    if (problem_) std::rethrow_exception(problem_);
    pending_ -= done_.size();
    return std::exchange(done_, {});
  }
  std::size_t pending() const {
    const std::lock_guard lock(mutex_);
    return pending_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;  // what has been fetched is written even when the run stops
      DownloadResult result = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      const Job& job = jobs_[result.job];
      Done done{.job = result.job, .copied = result.body.empty(), .failure = {}, .unwritten = {}};
      std::exception_ptr problem;
      try {
        if (done.copied) result.body = read_file(path_below(out_, job.twin));
        decode_image(std::as_bytes(std::span(result.body)), job.url);
        for (const auto& path : job.paths) {
          if (auto unwritten = write_picture(out_, path, result.body)) done.unwritten.push_back(std::move(*unwritten));
        }
      } catch (const DataError& error) {
        done.failure = error.what();
      } catch (...) {
        problem = std::current_exception();
      }
      lock.lock();
      if (!problem_) problem_ = problem;
      done_.push_back(std::move(done));
      wake_();
    }
  }

  const std::vector<Job>& jobs_;
  const fs::path& out_;
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<DownloadResult> queue_;
  std::vector<Done> done_;
  std::size_t pending_ = 0;
  std::exception_ptr problem_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

void check(const FetchConfig& c) {
  if (c.parallel < 1 || c.parallel > 1000) throw ConfigError(fmt::format("parallel is {}, 1 to 1000 are possible", c.parallel));
  if (c.per_host < 1) throw ConfigError(fmt::format("per-host is {}, at least 1 is needed", c.per_host));
  if (c.timeout <= 0 || c.connect_timeout <= 0 || c.stall < 1) throw ConfigError("time-outs must be above 0 seconds");
  if (c.max_bytes < 1 || c.redirects < 0 || c.retries < 0 || c.first_wait < 0 || c.longest_wait < 0)
    throw ConfigError("sizes, redirects, retries and waits must not be negative");
}

/// A table or a list that is there, by its name: it may be the user's. A page in the place of a picture is fetched again.
bool is_kept(const fs::path& file) {
  std::error_code ignored;
  return file.has_extension() && !has_picture_name(file) && fs::is_regular_file(file, ignored) && !fs::is_empty(file, ignored);
}

/// Whether each entry's picture is there, judged by its first bytes: to decode a million pictures again would take longer than
/// many a fetch. Every file is opened, by several threads: on a disk over the network each is a way there and back.
std::vector<char> find_pictures(const std::vector<UrlEntry>& list, const FetchConfig& config) {
  std::vector<char> there(list.size());
  const bool whole = for_each_in_threads("fetch: what is there", list.size(), config.workers, [&](std::size_t i) {
    there[i] = picture_problem(path_below(config.out, list[i].path)).empty();
  });
  if (!whole) throw Interrupted("fetch: interrupted; the same command goes on");
  return there;
}

/// What is not there yet, each URL once; a path whose URL another path has already is copied from there.
std::vector<Job> open_jobs(const std::vector<UrlEntry>& list, const FetchConfig& config, FailureFile& failures,
                           FetchSummary& summary) {
  std::unordered_map<std::string, std::size_t> job_of_url;
  std::unordered_map<std::string, std::string> path_of_url;  // those that are there
  std::vector<const UrlEntry*> missing;
  const std::vector<char> there = find_pictures(list, config);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const UrlEntry& entry = list[i];
    if (there[i]) {
      path_of_url.emplace(entry.url, entry.path);
      failures.remove(entry.path);
      ++summary.there;
    } else {
      missing.push_back(&entry);
    }
  }
  std::vector<Job> jobs;
  for (const UrlEntry* entry : missing) {
    if (!config.retry_failed && failures.is_final(entry->path, entry->url)) {
      ++summary.given_up;
      continue;
    }
    if (is_kept(path_below(config.out, entry->path))) {
      failures.add(entry->path, entry->url, true, "there is a file already that is called as no picture");
      ++summary.failed;
      continue;
    }
    const auto [found, fresh] = job_of_url.emplace(entry->url, jobs.size());
    if (fresh) {
      const auto twin = path_of_url.find(entry->url);
      jobs.push_back({entry->url, {}, twin == path_of_url.end() ? std::string() : twin->second});
    }
    jobs[found->second].paths.push_back(entry->path);
  }
  return jobs;
}

class FetchRun {
 public:
  FetchRun(std::vector<Job>& jobs, const FetchConfig& config, FailureFile& failures, FetchSummary& summary)
      : jobs_(jobs),
        config_(config),
        failures_(failures),
        summary_(summary),
        downloader_(config),
        verifier_(jobs, config.out, config.workers, [this] { downloader_.wake(); }) {}

  void run(std::uint64_t total) {
    std::deque<std::size_t> copies;
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      if (jobs_[j].twin.empty()) {
        downloader_.add(j, jobs_[j].url);
      } else {
        copies.push_back(j);
      }
    }
    Progress progress("fetch", total, summary_.there + summary_.given_up);
    const auto most = static_cast<std::size_t>(config_.parallel);
    while (!downloader_.idle() || verifier_.pending() > 0 || !copies.empty()) {
      if (stop_requested()) throw Interrupted("fetch: interrupted; the same command goes on");
      for (; !copies.empty() && verifier_.pending() < most; copies.pop_front()) verifier_.add({copies.front(), {}, {}, false});
      // Where decoding falls behind, no more is fetched: bodies wait in memory.
      const bool accept = verifier_.pending() < most;
      if (downloader_.idle()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      for (auto& result : downloader_.step(100, accept)) {
        if (result.failure.empty()) {
          verifier_.add(std::move(result));
        } else {
          fail(result.job, !result.passing, result.failure);
        }
      }
      for (const auto& done : verifier_.take()) take(done);
      progress.update(summary_.there + summary_.given_up + summary_.fetched + summary_.failed,
                      fmt::format("{} failed", summary_.failed));
    }
  }

 private:
  void take(const Verifier::Done& done) {
    Job& job = jobs_[done.job];
    if (!done.failure.empty() && done.copied) {  // the twin only begins as a picture does: it is wanted again as well
      job.paths.push_back(job.twin);
      --summary_.there;
      return downloader_.add(done.job, job.url);
    }
    if (!done.failure.empty()) return fail(done.job, true, done.failure);
    for (const auto& path : job.paths) failures_.remove(path);
    for (const auto& [path, reason, final] : done.unwritten) failures_.add(path, job.url, final, reason);
    (done.copied ? summary_.there : summary_.fetched) += job.paths.size() - done.unwritten.size();
    summary_.failed += done.unwritten.size();
  }
  void fail(std::size_t job, bool final, const std::string& reason) {
    for (const auto& path : jobs_[job].paths) failures_.add(path, jobs_[job].url, final, reason);
    summary_.failed += jobs_[job].paths.size();
  }

  std::vector<Job>& jobs_;  // the verifier's threads read those that they were given
  const FetchConfig& config_;
  FailureFile& failures_;
  FetchSummary& summary_;
  Downloader downloader_;
  Verifier verifier_;
};

}  // namespace

FetchSummary fetch_pictures(const std::vector<UrlEntry>& list, const FetchConfig& config) {
  check(config);
  std::error_code error;
  fs::create_directories(config.out, error);
  if (error) throw RunError(config.out.string() + ": cannot be made: " + error.message());
  const FolderLock lock(config.out, "another fetch is at work there; wait for its end, or give another folder");
  FetchSummary summary;
  FailureFile failures(config.out / "failures.tsv");
  std::vector<Job> jobs;  // the run's threads read it to their end
  try {
    jobs = open_jobs(list, config, failures, summary);
    FetchRun(jobs, config, failures, summary).run(list.size());
  } catch (...) {
    sync_disk(config.out);
    failures.close();
    throw;
  }
  sync_disk(config.out);
  failures.close();
  return summary;
}

}  // namespace emotion
