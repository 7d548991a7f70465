#pragma once

#include <sys/types.h>

#include <fstream>
#include <vector>

#include <fmt/format.h>

namespace emotion {

/// Process ids of the ranks that a command with --nproc has started, by rank.
inline std::vector<pid_t> ranks(pid_t launcher) {
  std::vector<pid_t> all;
  std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", launcher));
  for (pid_t pid = 0; in >> pid;) all.push_back(pid);
  return all;
}

}  // namespace emotion
