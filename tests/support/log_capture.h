#pragma once

#include <string>

#include "emotion/io/file.h"
#include "emotion/log.h"

namespace emotion {

/// What is logged at a level and above it while this lives. One at a time: there is one log file.
class LogCapture {
 public:
  explicit LogCapture(LogLevel level) : before_(current_level()) {
    set_log_level(level);
    set_log_file(file());
  }
  ~LogCapture() { end(); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// Ends it: the lines, each behind its time.
  std::string text() {
    end();
    return read_file(file());
  }

 private:
  static LogLevel current_level() {
    for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
      if (log_enabled(level)) return level;
    }
    return LogLevel::kOff;
  }
  std::string file() const { return (folder_.path() / "log.txt").string(); }
  void end() {
    if (ended_) return;
    ended_ = true;
    set_log_file("");
    set_log_level(before_);
  }

  ScratchFolder folder_;
  LogLevel before_;
  bool ended_ = false;
};

}  // namespace emotion
