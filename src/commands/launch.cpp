#include "launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "emotion/signals.h"

namespace emotion {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kReport = "EMOTION_REPORT_FD";  // descriptor a started process writes its error to

struct Process {
  pid_t pid = 0;
  int report = -1;
  std::string text;  // JSON, complete once the process has ended
  std::optional<int> status;
  bool killed_here = false;
};

/// This command's words without --nproc.
std::vector<std::string> own_arguments() {
  std::vector<std::string> words;
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find('\0', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  for (std::size_t i = 0; i < words.size();) {
    const bool two = words[i] == "--nproc";
    if (two || words[i].starts_with("--nproc=")) {
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(i),
                  words.begin() + static_cast<std::ptrdiff_t>(std::min(words.size(), i + (two ? 2 : 1))));
    } else {
      ++i;
    }
  }
  return words;
}

std::vector<std::string> environment_of(int rank, int count, int port, int report) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  const auto set = [&](const std::string& name, const std::string& value) {
    std::erase_if(all, [&](const std::string& entry) { return entry.starts_with(name + "="); });
    all.push_back(name + "=" + value);
  };
  set("RANK", std::to_string(rank));
  set("LOCAL_RANK", std::to_string(rank));
  set("WORLD_SIZE", std::to_string(count));
  set("LOCAL_WORLD_SIZE", std::to_string(count));
  set("MASTER_ADDR", "127.0.0.1");
  set("MASTER_PORT", std::to_string(port));
  set("TORCHELASTIC_USE_AGENT_STORE", "True");
  set("TORCHELASTIC_RUN_ID", "nproc");
  set("TORCHELASTIC_RESTART_COUNT", "0");
  set(kReport, std::to_string(report));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

Process start(int rank, int count, int port) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw RunError(fmt::format("--nproc: no pipe: {}", std::strerror(errno)));
  std::vector<std::string> words = own_arguments(), variables = environment_of(rank, count, port, ends[1]);
  const std::vector<char*> argv = pointers(words), envp = pointers(variables);
  // A SIGTERM that comes before the command's own program runs would be lost in this one's handler: it waits until that is gone.
  sigset_t terminate, before;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &terminate, &before);
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid == 0) {     // only system calls from here on: other threads' locks may be held
    ::setpgid(0, 0);  // a Ctrl-C reaches the launching process alone, which passes it on once
    ::signal(SIGTERM, SIG_DFL);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::fcntl(ends[1], F_SETFD, 0);
    ::execve("/proc/self/exe", argv.data(), envp.data());
    ::_exit(127);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(ends[1]);
  if (pid < 0) throw RunError(fmt::format("--nproc: process {} cannot be started: {}", rank, std::strerror(errno)));
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  Process process;
  process.pid = pid;
  process.report = ends[0];
  return process;
}

/// The processes of one launch.
class Launcher {
 public:
  Launcher(int count, double timeout, std::string again) : timeout_(timeout), again_(std::move(again)), store_(make_store()) {
    for (int rank = 0; rank < count; ++rank) processes_.push_back(start(rank, count, store_->getPort()));
  }
  ~Launcher() {
    for (Process& process : processes_) {
      if (!process.status) {
        ::kill(process.pid, SIGKILL);
        ::waitpid(process.pid, nullptr, 0);
      }
      ::close(process.report);
    }
  }
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  void run() {
    while (std::any_of(processes_.begin(), processes_.end(), [](const Process& p) { return !p.status; })) {
      if (stop_requested() && !told_) {
        told_ = true;
        for (const Process& process : processes_) {
          if (!process.status) ::kill(process.pid, SIGTERM);
        }
      }
      ::poll(nullptr, 0, 20);
      for (Process& process : processes_) look_after(process);
      end_stragglers();
    }
    report();
  }

 private:
  static c10::intrusive_ptr<c10d::TCPStore> make_store() {
    quiet_network();
    c10d::TCPStoreOptions options;
    options.port = 0;  // any free one
    options.isServer = true;
    options.waitWorkers = false;
    return c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  }

  void look_after(Process& process) {
    if (process.status) return;
    int status = 0;
    const bool ended = ::waitpid(process.pid, &status, WNOHANG) == process.pid;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(process.report, buffer, sizeof(buffer))) > 0;)
      process.text.append(buffer, static_cast<std::size_t>(n));
    if (!ended) return;
    process.status = status;
    if (status == 0 || failed_at_) return;
    failed_at_ = Clock::now();
    first_ = static_cast<int>(&process - processes_.data());
  }

  /// The SIGTERM of run() met a process that had no handler yet: there is no group that could save anything.
  bool stopped_while_starting() const {
    return told_ && std::any_of(processes_.begin(), processes_.end(), [](const Process& process) {
             return process.status && WIFSIGNALED(*process.status) && WTERMSIG(*process.status) == SIGTERM;
           });
  }

  /// After a failure: the process another one calls lost is killed at once, the rest after the timeout; all at once if they
  /// were only starting.
  void end_stragglers() {
    if (!failed_at_) return;
    const bool late =
        std::chrono::duration<double>(Clock::now() - *failed_at_).count() > timeout_ + 10 || stopped_while_starting();
    for (std::size_t r = 0; r < processes_.size(); ++r) {
      Process& process = processes_[r];
      const bool lost = std::any_of(processes_.begin(), processes_.end(), [&](const Process& other) {
        return other.status && message(other).value("lost", -1) == static_cast<int>(r);
      });
      if (process.status || !(late || lost) || process.killed_here) continue;
      process.killed_here = true;
      ::kill(process.pid, SIGKILL);
    }
  }

  static nlohmann::json message(const Process& process) {
    auto json = nlohmann::json::parse(process.text, nullptr, false);
    return json.is_object() ? json : nlohmann::json::object();
  }

  /// The process that a signal ended: the first that ended at all, since its death may have been the others', else any.
  std::optional<std::size_t> first_killed() const {
    const auto killed = [&](std::size_t r) { return WIFSIGNALED(*processes_[r].status) && !processes_[r].killed_here; };
    if (const auto first = static_cast<std::size_t>(first_); killed(first)) return first;
    for (std::size_t r = 0; r < processes_.size(); ++r) {
      if (killed(r)) return r;
    }
    return std::nullopt;
  }

  /// Throws what went wrong: an error of a process's own before a death, a death before what the others saw of it.
  void report() const {
    if (!failed_at_) return;
    if (stopped_while_starting()) throw Interrupted("interrupted while the processes were starting; " + again_);
    for (const Process& process : processes_) {
      const auto json = message(process);
      if (json.contains("text") && json.value("lost", -2) == -2)
        throw Error(json["text"].get<std::string>(), static_cast<ExitCode>(json["code"].get<int>()));
    }
    if (const auto killed = first_killed()) {
      const Process& process = processes_[*killed];
      const int signal = WTERMSIG(*process.status);
      throw RunError(fmt::format("rank {} (process {}) was killed by signal {} ({}); {}", *killed, process.pid, signal,
                                 ::strsignal(signal), again_));
    }
    for (const Process& process : processes_) {
      if (const auto json = message(process); json.contains("text")) throw RunError(json["text"].get<std::string>());
    }
    const Process& first = processes_[static_cast<std::size_t>(first_)];
    throw RunError(fmt::format("rank {} (process {}) stopped with exit code {}", first_, first.pid, WEXITSTATUS(*first.status)));
  }

  double timeout_;
  std::string again_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  std::vector<Process> processes_;
  std::optional<Clock::time_point> failed_at_;
  int first_ = 0;
  bool told_ = false;  // the processes, to stop
};

}  // namespace

void launch_processes(int count, double timeout, const std::string& again) { Launcher(count, timeout, again).run(); }

Launch find_launch(int nproc) {
  const Launch launch = Launch::from_environment();
  if (nproc > 0 && launch.world_size > 1) {
    throw ConfigError(fmt::format(
        "--nproc {} starts processes itself, and the environment says this one is rank {} of {}; leave one of them out", nproc,
        launch.rank, launch.world_size));
  }
  return launch;
}

void run_shared(const ShareOptions& options, const std::vector<std::pair<std::string, std::string>>& same,
                const std::function<void(ProcessGroup&)>& work) {
  static constexpr const char* kAgain = "the same command goes on where it stopped";
  run_as_launched([&] {
    const Launch launch = find_launch(options.nproc);
    if (options.nproc > 1) return launch_processes(options.nproc, options.timeout, kAgain);
    ProcessGroup group = ProcessGroup::join(launch, same, options.timeout);
    group.finish(kAgain, [&] { work(group); });
  });
}

void run_as_launched(const std::function<void()>& action) {
  const char* descriptor = std::getenv(kReport);
  try {
    action();
  } catch (const Error& error) {
    if (!descriptor) throw;
    nlohmann::json json{{"text", error.what()}, {"code", static_cast<int>(error.code())}};
    if (const auto* lost = dynamic_cast<const PeerLost*>(&error)) json["lost"] = lost->rank();
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (::write(std::atoi(descriptor), text.data(), text.size()) < 0) throw;
    throw Error("", error.code());
  }
}

}  // namespace emotion
