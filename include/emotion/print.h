#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace emotion {

/// Writes text to stdout, for results; messages for a person go to the log (log.h).
///
/// A write that fails throws nothing: what a command has still to do, it does. The stream keeps the error, and run_command
/// judges it once at the end: a full disk is a failure, a pipe whose reader has seen enough is none.
void print_text(std::string_view text) noexcept;

/// print_text() of a format and its arguments.
template <class... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace emotion
