#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {

// A sanitizer maps what it likes and ends the process where memory is short: there the texts alone are compared.
#ifdef EMOTION_SANITIZED
inline constexpr bool kMemoryIsLimited = false;
#else
inline constexpr bool kMemoryIsLimited = true;
#endif

/// A picture of 35 bytes that takes 192 MB when it is decoded: one white pixel on a canvas of 8000 x 8000.
inline std::string large_gif() {
  using namespace std::string_literals;
  return "GIF89a\x40\x1f\x40\x1f\x80\0\0"s + "\xff\xff\xff\0\0\0"s + ",\0\0\0\0\1\0\1\0\0"s + "\2\2\x44\1\0;"s;
}

/// What `action` throws, as `3: text` with its exit code, or "no error", in a process that may map no more than `megabytes`
/// beyond what it has: memory that is only reserved counts too. A crash reads "killed by signal N".
template <class Action>
std::string error_within(std::uint64_t megabytes, Action&& action) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // bounded time: a signal otherwise
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t most = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + (megabytes << 20);
    const rlimit limit{most, most};
    if (kMemoryIsLimited) ::setrlimit(RLIMIT_AS, &limit);
    std::string text = "no error";
    try {
      action();
    } catch (const Error& error) {
      text = fmt::format("{}: {}", static_cast<int>(error.code()), error.what());
    } catch (const std::exception& error) {
      text = fmt::format("not one of ours: {}", error.what());
    }
    text.resize(std::min<std::size_t>(text.size(), 4000));  // a pipe holds more without a reader
    const bool written = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], piece, sizeof piece)) > 0;) text.append(piece, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status)) : text;
}

}  // namespace emotion
