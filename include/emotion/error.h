#pragma once

#include <stdexcept>
#include <string>

namespace emotion {

/// Exit codes of every command.
enum class ExitCode : int {
  kDone = 0,          ///< everything asked for was done
  kRunFailed = 1,     ///< the run itself failed: NaN loss, disk full, a device that is not there
  kUsage = 2,         ///< bad flags or config
  kData = 3,          ///< bad data or weights
  kInterrupted = 130  ///< SIGINT or SIGTERM, after saving
};

/// An error a user can act on. The text is one line: what is wrong, where, what to do.
///
/// Where a file is at fault the text starts with its place, `file:line:column: `, `file:line: ` or `file: `.
class Error : public std::runtime_error {
 public:
  Error(const std::string& text, ExitCode code) : std::runtime_error(text), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// Bad flags or a bad config file.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& text) : Error(text, ExitCode::kUsage) {}
};

/// A data set, an image or a text file that cannot be used.
class DataError : public Error {
 public:
  explicit DataError(const std::string& text) : Error(text, ExitCode::kData) {}
};

/// A weights file that cannot be read or does not fit the network.
class WeightsError : public Error {
 public:
  explicit WeightsError(const std::string& text) : Error(text, ExitCode::kData) {}
};

/// A run that cannot go on: NaN loss, a full disk, no such device.
class RunError : public Error {
 public:
  explicit RunError(const std::string& text) : Error(text, ExitCode::kRunFailed) {}
};

/// Thrown at a safe point after SIGINT or SIGTERM, once everything worth keeping is saved.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& text) : Error(text, ExitCode::kInterrupted) {}
};

}  // namespace emotion
