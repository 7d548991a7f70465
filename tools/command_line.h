#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "emotion/commands/common.h"

namespace emotion {

/// Parses the flags and runs `action`; gives the exit code. Adds --version and --log-level to `app`.
///
/// An emotion::Error becomes its one line on stderr and its exit code, bad flags exit 2, anything else exits 1.
int run_command(CLI::App& app, int argc, char** argv, const std::function<void()>& action);

/// A whole number that counts something. CLI11's own PositiveNumber says its bounds in 300 digits, and takes 0.5.
inline CLI::Range counts(int least) { return CLI::Range(least, 1'000'000'000, least > 0 ? "POSITIVE" : "NONNEGATIVE"); }

/// A finite number above 0.
inline CLI::Validator positive() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        const bool good = CLI::detail::lexical_cast(text, value) && std::isfinite(value) && value > 0;
        return good ? std::string() : "Value " + text + " is not a number above 0";
      },
      "POSITIVE");
}

/// The address of a function in libemotion.so, which is opened at the first call.
///
/// Starting LibTorch costs 0.2 to 0.4 s: `--help` and flag errors do not pay it.
void* library_function(const char* name);

}  // namespace emotion

/// Calls a command's entry: `EMOTION_CALL(emotion_data_import, options)`.
///
/// The declaration gives the type alone, so that options of another command do not compile; the function itself is looked up by
/// its name when the call is reached, and nothing is linked.
#define EMOTION_CALL(entry, options) reinterpret_cast<decltype(&::entry)>(::emotion::library_function(#entry))(options)
