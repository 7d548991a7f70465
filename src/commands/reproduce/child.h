#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace emotion {

/// A command as a process of its own: what it prints goes to a file. Ended without one of wait() or poll() giving its code, it is
/// killed by the destructor.
class Child {
 public:
  /// argv[0] is the program's path. `threads` > 0 limits the numeric libraries unless the environment says something already.
  /// @throws RunError if it cannot be started or the log cannot be written
  Child(const std::vector<std::string>& argv, const std::filesystem::path& log, int threads);
  Child(Child&& other) noexcept : pid_(other.pid_), cpu_seconds_(other.cpu_seconds_) { other.pid_ = -1; }
  Child& operator=(Child&&) = delete;
  ~Child();

  /// The exit code once it has ended; 128 + the signal if one ended it.
  std::optional<int> poll();
  /// Processor time, all threads, once it has ended.
  double cpu_seconds() const { return cpu_seconds_; }
  /// SIGINT, once: the command saves and ends.
  void interrupt();

 private:
  pid_t pid_;
  bool interrupted_ = false;
  double cpu_seconds_ = 0;
};

/// The last line that is not empty: where commands say what went wrong.
std::string last_line(const std::filesystem::path& log);

}  // namespace emotion
