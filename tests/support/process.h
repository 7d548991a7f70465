#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/io/file.h"

namespace emotion {

/// A command run in a folder of its own, stdout and stderr in files there.
class Process {
 public:
  struct Result {
    int code;  ///< 128 + the signal if one ended it
    std::string output, errors;
  };

  Process(const std::filesystem::path& folder, const std::vector<std::string>& arguments) : folder_(folder) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    if (::chdir(folder.c_str()) != 0 || !std::freopen("stdout", "w", stdout) || !std::freopen("stderr", "w", stderr)) ::_exit(99);
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(98);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const { ::kill(pid_, signal); }
  Result wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(folder_ / "stdout"),
            read_file(folder_ / "stderr")};
  }

 private:
  std::filesystem::path folder_;
  pid_t pid_;
};

}  // namespace emotion
