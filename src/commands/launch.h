#pragma once

#include <string>

#include "emotion/error.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// Runs this command `count` times more on this host, as ranks 0 to count - 1 of a group, and waits for them.
///
/// The processes meet at a rendezvous in this one and end with it. SIGINT and SIGTERM go on to them. When one fails the others
/// stop by themselves; what does not within `timeout` is killed.
/// @throws the error of the process that failed first; Interrupted
void launch_processes(int count, double timeout);

/// This process's place, from --nproc (0 = not given) and the environment. @throws ConfigError if both speak
Launch find_launch(int nproc);

/// Runs `action`. An error of a process that launch_processes() started goes to the launching one, which prints it, and leaves
/// this one without a text.
void run_as_launched(const std::function<void()>& action);

}  // namespace emotion
