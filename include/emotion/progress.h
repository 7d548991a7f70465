#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace emotion {

/// How far a long piece of work is, on stderr: a bar on a terminal, a plain line every `line_interval` in a pipe, nothing under
/// --log-level warning and above.
class Progress {
 public:
  /// `first`: what was done before, in an earlier run; it counts as done but not for the rate.
  Progress(std::string title, std::uint64_t total, std::uint64_t first = 0,
           std::chrono::milliseconds line_interval = std::chrono::seconds(10));
  ~Progress();  ///< leaves the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Shows `done` of `total`, with rate and time left, if enough time has passed since the last time.
  void update(std::uint64_t done, std::string_view detail = {});
  /// Clears the bar; a line of the log does so by itself.
  void clear();

 private:
  std::string title_;
  std::uint64_t total_, first_;
  bool terminal_;
  std::chrono::milliseconds line_interval_;
  std::chrono::steady_clock::time_point begin_, next_;
};

/// `1:02:03` or `2:03`
std::string format_duration(double seconds);

}  // namespace emotion
