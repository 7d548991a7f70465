#pragma once

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

/// The address of a function in libemotion.so, which is opened at the first call.
///
/// Starting LibTorch costs 0.2 to 0.4 s: `--help` and flag errors do not pay it.
void* library_function(const char* name);

/// Calls a command's entry: `call_library<ImportOptions>("emotion_data_import", options)`.
template <class Options>
void call_library(const char* name, const Options& options) {
  reinterpret_cast<void (*)(const Options&)>(library_function(name))(options);
}

}  // namespace emotion
