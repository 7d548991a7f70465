#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

std::vector<std::string> environment(int threads) {
  std::vector<std::string> variables;
  bool said = false;
  for (char** variable = ::environ; *variable; ++variable) {
    variables.emplace_back(*variable);
    said = said || variables.back().starts_with("OMP_NUM_THREADS=");
  }
  if (threads > 0 && !said) variables.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
  return variables;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

Child::Child(const std::vector<std::string>& argv, const std::filesystem::path& log, int threads) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw RunError(fmt::format("{}: cannot be written: {}", log.string(), std::strerror(errno)));
  const auto variables = environment(threads);
  const auto arguments = pointers(argv), values = pointers(variables);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {  // only calls that are safe between fork and exec
    // A group of its own: Ctrl-C reaches the parent alone, which passes it on once. If the parent dies, the child saves and ends.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(126);
    for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ}) ::signal(number, SIG_DFL);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::execve(arguments[0], arguments.data(), values.data());
    const char* reason = std::strerror(errno);
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, arguments[0], std::strlen(arguments[0]));
    written = ::write(STDERR_FILENO, ": cannot be started: ", 21);
    written = ::write(STDERR_FILENO, reason, std::strlen(reason));
    written = ::write(STDERR_FILENO, "\n", 1);
    ::_exit(127);
  }
  ::close(file);
  if (pid_ < 0) throw RunError(fmt::format("{}: cannot be started: {}", argv[0], std::strerror(errno)));
}

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Child::poll() {
  int status = 0;
  rusage usage{};
  const pid_t ended = ::wait4(pid_, &status, WNOHANG, &usage);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  pid_ = -1;
  if (ended < 0) return 1;
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  cpu_seconds_ = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Child::interrupt() {
  if (pid_ < 0 || interrupted_) return;
  interrupted_ = true;
  ::kill(pid_, SIGINT);
}

std::string last_line(const std::filesystem::path& log) {
  std::string text;
  try {
    text = read_file(log);
  } catch (const Error&) {
    return {};
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace emotion
