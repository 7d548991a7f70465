#pragma once

#include <string_view>

#include <fmt/format.h>

namespace emotion {

/// Messages for a person go to stderr, one line each; results go to stdout.
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void set_log_level(LogLevel level) noexcept;
bool log_enabled(LogLevel level) noexcept;
/// @throws ConfigError listing the levels
LogLevel parse_log_level(std::string_view name);
/// A run folder's log.txt gets every line too, until it is set to an empty path.
void set_log_file(std::string_view path);
void log_line(LogLevel level, std::string_view text);
/// To the run folder's log.txt alone: the command itself prints its error.
void log_file_only(LogLevel level, std::string_view text);

/// On a terminal: an unfinished line of stderr, which the next bar or line of the log takes the place of.
void show_bar(std::string_view text);
void clear_bar();

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace emotion
