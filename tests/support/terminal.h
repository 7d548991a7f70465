#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "commands.h"

namespace emotion {

/// What one of the project's commands, run in a folder, writes to stderr where that is a terminal; it must succeed.
inline std::string shown_on_terminal(const std::filesystem::path& folder, const Words& words) {
  int shown = -1, terminal = -1;
  if (::openpty(&shown, &terminal, nullptr, nullptr, nullptr) != 0) {
    ADD_FAILURE() << "no terminal";
    return "";
  }
  Words arguments = command_words(words);
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    if (::chdir(folder.c_str()) != 0 || ::dup2(nowhere, STDOUT_FILENO) < 0 || ::dup2(terminal, STDERR_FILENO) < 0) ::_exit(99);
    ::close(shown);  // a terminal that nobody looks at any more ends what writes to it
    ::execv(argv[0], argv.data());
    ::_exit(98);
  }
  ::close(terminal);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(shown, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  ::close(shown);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return text;
}

}  // namespace emotion
