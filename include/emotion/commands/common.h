#pragma once

#include <string>

namespace emotion {

/// How a command's work is split over processes.
struct ShareOptions {
  int nproc = 0;         ///< processes started here; 0 = this one, or its place in a group that the environment names
  double timeout = 300;  ///< seconds without a sign of a process until the others stop
};

}  // namespace emotion

/// Marks the entry of a command in libemotion.so: a function with C linkage, `void name(const Options&)`, that throws
/// emotion::Error. tools/ finds it by name once the flags are parsed; C++ programs may call it like any function.
#define EMOTION_COMMAND extern "C" __attribute__((visibility("default")))

/// Every command's first call: log level, signals, and the memory of tensors. @throws emotion::ConfigError for an unknown level
EMOTION_COMMAND void emotion_start(const std::string& log_level);
