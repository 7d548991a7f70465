#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "emotion/commands/common.h"
#include "emotion/error.h"
#include "emotion/train/distributed.h"

namespace emotion {

/// Runs this command `count` times more on this host, as ranks 0 to count - 1 of a group, and waits for them.
///
/// The processes meet at a rendezvous in this one and end with it. SIGINT and SIGTERM go on to them. When one fails the others
/// stop by themselves; what does not within `timeout` is killed.
/// @throws the error of the process that failed first; Interrupted
/// `again` ends the message of a killed process: how the work goes on.
void launch_processes(int count, double timeout, const std::string& again);

/// This process's place, from --nproc (0 = not given) and the environment. @throws ConfigError if both speak
Launch find_launch(int nproc);

/// Runs `work` as --nproc and the environment say: by processes started here, or as one of a group. Processes that leave with an
/// error tell the others.
/// @param same  (name, value) pairs that must be the same everywhere; see ProcessGroup::join
void run_shared(const ShareOptions& options, const std::vector<std::pair<std::string, std::string>>& same,
                const std::function<void(ProcessGroup&)>& work);

/// Runs `action`. An error of a process that launch_processes() started goes to the launching one, which prints it, and leaves
/// this one without a text.
void run_as_launched(const std::function<void()>& action);

}  // namespace emotion
