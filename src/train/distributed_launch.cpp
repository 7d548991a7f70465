// How a process learns its place: the variables of torchrun and of Slurm.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "emotion/train/distributed.h"

namespace emotion {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

int integer(const char* name, const std::string& text, int low, int high) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
    throw ConfigError(fmt::format("{} is '{}'; an integer from {} to {} is wanted", name, text, low, high));
  return value;
}

constexpr int kMany = 1 << 20;

/// `name`, which must be there because `because` is.
std::string needed(const char* name, const char* because) {
  if (auto value = variable(name)) return *value;
  throw ConfigError(fmt::format("{} is not set, and {} is; start the processes with torchrun or --nproc", name, because));
}

Launch from_torchrun() {
  Launch launch;
  launch.world_size = integer("WORLD_SIZE", needed("WORLD_SIZE", "RANK"), 1, kMany);
  launch.rank = integer("RANK", needed("RANK", "WORLD_SIZE"), 0, kMany);
  if (launch.rank >= launch.world_size) {
    throw ConfigError(fmt::format("RANK is {}, and WORLD_SIZE {}: ranks go from 0 to {}", launch.rank, launch.world_size,
                                  launch.world_size - 1));
  }
  launch.local_rank = integer("LOCAL_RANK", variable("LOCAL_RANK").value_or("0"), 0, launch.world_size - 1);
  launch.local_world_size = integer("LOCAL_WORLD_SIZE", variable("LOCAL_WORLD_SIZE").value_or("1"), 1, launch.world_size);
  if (launch.local_world_size <= launch.local_rank) launch.local_world_size = launch.local_rank + 1;
  if (launch.world_size == 1) return launch;
  launch.address = needed("MASTER_ADDR", "WORLD_SIZE");
  launch.port = integer("MASTER_PORT", needed("MASTER_PORT", "WORLD_SIZE"), 1, 65535);
  launch.store_elsewhere = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.nproc = variable("TORCHELASTIC_RUN_ID") == "nproc";
  launch.attempt = variable("TORCHELASTIC_RUN_ID").value_or("") + "." + variable("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return launch;
}

/// `gpu[07-09,12],cpu1` -> `gpu07`
std::string first_host(const std::string& list) {
  const std::size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  return list.substr(0, bracket) + list.substr(bracket + 1, list.find_first_of("-,]", bracket) - bracket - 1);
}

Launch from_slurm() {
  Launch launch;
  const std::string tasks = variable("SLURM_STEP_NUM_TASKS").value_or(variable("SLURM_NTASKS").value_or("1"));
  launch.world_size = integer("SLURM_STEP_NUM_TASKS", tasks, 1, kMany);
  launch.rank = integer("SLURM_PROCID", needed("SLURM_PROCID", "SLURM_NTASKS"), 0, kMany);
  if (launch.rank >= launch.world_size) {
    throw ConfigError(fmt::format("SLURM_PROCID is {}, and there are {} tasks: ranks go from 0 to {}", launch.rank,
                                  launch.world_size, launch.world_size - 1));
  }
  launch.local_rank = integer("SLURM_LOCALID", variable("SLURM_LOCALID").value_or("0"), 0, launch.world_size - 1);
  // "4(x2),3": tasks on each node; the first number serves, the last node may have fewer.
  const std::string nodes = variable("SLURM_STEP_TASKS_PER_NODE").value_or(variable("SLURM_TASKS_PER_NODE").value_or("1"));
  launch.local_world_size =
      std::max(integer("SLURM_STEP_TASKS_PER_NODE", nodes.substr(0, nodes.find_first_of("(,")), 1, kMany), launch.local_rank + 1);
  if (launch.world_size == 1) return launch;
  const auto hosts = variable("SLURM_STEP_NODELIST");
  launch.address = variable("MASTER_ADDR").value_or(first_host(hosts ? *hosts : needed("SLURM_NODELIST", "SLURM_PROCID")));
  const std::string job = variable("SLURM_JOB_ID").value_or("0");
  // Two jobs on a node take two ports.
  const int default_port = 20000 + integer("SLURM_JOB_ID", job, 0, 2147483647) % 20000;
  launch.port = integer("MASTER_PORT", variable("MASTER_PORT").value_or(std::to_string(default_port)), 1, 65535);
  launch.attempt = job + "." + variable("SLURM_STEP_ID").value_or("0");
  return launch;
}

}  // namespace

Launch Launch::from_environment() {
  if (variable("RANK") || variable("WORLD_SIZE")) return from_torchrun();
  // A batch script has these variables too, but not the step's: what it starts without srun is one process.
  const bool step = variable("SLURM_STEP_ID") || variable("SLURM_STEP_NUM_TASKS");
  if (variable("SLURM_PROCID") && step) return from_slurm();
  return {};
}

int share_of_threads(int all, int local_size) { return std::max(1, all / std::max(1, local_size)); }

}  // namespace emotion
