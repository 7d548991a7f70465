#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "../../src/train/distributed_data.h"
#include "../support/free_port.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/train/distributed.h"

// The group of processes itself: two members of one live in two threads here.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using Variables = std::map<std::string, std::string>;

void sleep_seconds(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// What rank 0 meets while it waits for rank 1, which does `work` first: the text of its PeerLost, or "".
std::string waiting_for(const std::function<void(const ProcessGroup&)>& work) {
  const int port = free_port();
  const auto member = [port](int rank) {
    const Launch launch{
        .rank = rank, .world_size = 2, .local_rank = rank, .local_world_size = 2, .address = "127.0.0.1", .port = port};
    return ProcessGroup::join(launch, {}, /*timeout=*/1);
  };
  std::string text;
  std::thread other([&] {
    ProcessGroup group = member(1);
    work(group);
    try {
      group.wait_for_all();
      group.leave();
    } catch (const Error& error) {
      group.leave(error);
    }
  });
  {
    ProcessGroup group = member(0);
    try {
      group.wait_for_all();
      group.leave();
    } catch (const PeerLost& error) {
      text = error.what();
      EXPECT_EQ(error.rank(), 1);
      group.leave(error);
    }
    other.join();
  }
  return text;
}

// Longer than the timeout of a second and the five that come to it.
TEST(ProcessGroupTest, OneThatStaysAtAStepIsLostAndOneThatIsBusyIsNot) {
  set_log_level(LogLevel::kWarning);
  std::string stuck, steady, busy;
  std::thread first([&] {
    stuck = waiting_for([](const ProcessGroup& group) {
      const ProcessGroup::Steps steps(group);
      steps.step();
      sleep_seconds(9);
    });
  });
  std::thread second([&] {
    steady = waiting_for([](const ProcessGroup& group) {
      const ProcessGroup::Steps steps(group);
      for (int i = 0; i < 15; ++i) {
        steps.step();
        sleep_seconds(0.6);
      }
    });
  });
  busy = waiting_for([](const ProcessGroup& group) {
    { const ProcessGroup::Steps steps(group); }  // the promise is over
    sleep_seconds(9);
  });
  first.join();
  second.join();
  EXPECT_THAT(stuck, ContainsRegex("^rank 1 \\(.*\\) lives but hangs: no step of its work for [6-8] s$"));
  EXPECT_EQ(steady, "");
  EXPECT_EQ(busy, "");
}

/// Signs of life of two ranks in one process, timeout 1 s, and how often rank 0's on_loss() was called.
struct TwoWatches {
  c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::HashStore>();
  std::atomic<int> calls = 0;
  ProcessGroup::Data zero;
  std::unique_ptr<Watch> one = member(1);

  TwoWatches() {
    zero.watch = member(0);
    zero.watch->on_loss([this] { ++calls; });
  }
  std::unique_ptr<Watch> member(int rank) const {
    return std::make_unique<Watch>(store, rank, /*holder=*/0, std::vector<std::string>{"rank 0", "rank 1"}, /*timeout=*/1);
  }
  /// Until it was called, for 10 s at most; then long enough for a second call.
  void await_call() const {
    for (int i = 0; i < 1000 && calls == 0; ++i) sleep_seconds(0.01);
    sleep_seconds(0.5);
  }
};

// What a GPU waits for has no exchange that could fail: the watch itself ends it.
TEST(WatchTest, ARankThatStopsWithAnErrorEndsWhatWaitsForIt) {
  TwoWatches watches;
  EXPECT_NO_THROW(watches.zero.exchange([] {}));
  watches.one->tell(1, "the disk is full");
  watches.await_call();
  EXPECT_EQ(watches.calls, 1);
  EXPECT_TRUE(watches.zero.watch->abandoned());
  // Aborted work ends as if it were done.
  EXPECT_EQ(error_of<PeerLost>([&] { watches.zero.exchange([] {}); }), "rank 1 stopped: the disk is full");
  watches.zero.watch->abandon();
  EXPECT_EQ(watches.calls, 1);
}

TEST(WatchTest, SoDoesOneThatIsGone) {
  TwoWatches watches;
  sleep_seconds(0.5);
  watches.one.reset();
  watches.await_call();
  EXPECT_EQ(watches.calls, 1);
  EXPECT_THAT(error_of<PeerLost>([&] { watches.zero.exchange([] {}); }),
              ContainsRegex("^rank 1 was killed, hangs or lost its network: no sign of it for [0-9]+ s$"));
}

TEST(WatchTest, OneThatIsDoneIsNoLoss) {
  TwoWatches watches;
  watches.one->tell(-1, "");
  watches.one.reset();
  sleep_seconds(2.5);
  EXPECT_EQ(watches.calls, 0);
  EXPECT_NO_THROW(watches.zero.exchange([] {}));
}

// As LibTorch words it: the first line does not say what NCCL found.
TEST(WatchTest, WhatNCCLSaysIsPartOfTheOneLine) {
  TwoWatches watches;
  watches.one->enter_exchange();
  sleep_seconds(0.5);  // until rank 0 knows
  const auto fail = [] {
    throw std::runtime_error(
        "NCCL error in: NCCLUtils.cpp:77, invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version 2.28.9\n"
        "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.\n"
        "Last error:\n"
        "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 3b000\n"
        "Exception raised from create at NCCLUtils.cpp:77 (most recent call first):\n"
        "frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x88\n");
  };
  EXPECT_EQ(error_of<PeerLost>([&] { watches.zero.exchange(fail); }),
            "an exchange between the processes failed: NCCL error in: NCCLUtils.cpp:77, invalid usage (run with NCCL_DEBUG=WARN "
            "for details), NCCL version 2.28.9; Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 3b000");
}

// Before any look for a GPU: all processes of a host would take the same one.
TEST(ProcessGroupTest, ANumberedGPUIsNotSharedByTheProcessesOfAHost) {
  const int port = free_port();
  std::vector<std::string> errors(2);
  const auto member = [&](int rank) {
    ProcessGroup group = ProcessGroup::join(
        {.rank = rank, .world_size = 2, .local_rank = rank, .local_world_size = 2, .address = "127.0.0.1", .port = port}, {}, 30);
    errors[static_cast<std::size_t>(rank)] = error_of<ConfigError>([&] { own_device("cuda:0", group); });
    EXPECT_EQ(own_device("cpu", group), "cpu");
    group.wait_for_all();
    group.leave();
  };
  std::thread other([&] { member(1); });
  member(0);
  other.join();
  for (const std::string& error : errors) {
    EXPECT_EQ(error, "device is cuda:0, which 2 processes of this host would share; take device cuda: each has its own then");
  }
  EXPECT_EQ(own_device("cuda:0", ProcessGroup()), "cuda:0");
}

// What torchrun and Slurm start may see other GPUs in each process.
TEST(ProcessGroupTest, ATrainingWithNprocWantsAGPUForEachProcess) {
  const ProcessGroup started = ProcessGroup::join({.local_world_size = 3, .nproc = true}, {}, 1);
  EXPECT_EQ(error_of<ConfigError>([&] { check_gpus(started, 2); }),
            "--nproc 3: a training wants a GPU for each process, and 2 can be seen here; take --nproc 2 or --device cpu");
  EXPECT_NO_THROW(check_gpus(started, 3));
  EXPECT_NO_THROW(check_gpus(ProcessGroup::join({.local_world_size = 3}, {}, 1), 1));
}

// As where a host of several has no driver, and `device: auto` takes its CPU: no GPU is touched before.
TEST(ProcessGroupTest, CPUsAndGPUsDoNotTrainTogether) {
  const int port = free_port();
  std::vector<std::string> errors(3);
  const auto member = [&](int rank) {
    ProcessGroup group = ProcessGroup::join(
        {.rank = rank, .world_size = 3, .local_rank = rank, .local_world_size = 3, .address = "127.0.0.1", .port = port}, {}, 30);
    EXPECT_NO_THROW(group.use_device(at::kCPU));
    const at::Device device(rank == 1 ? at::kCPU : at::kCUDA);
    errors[static_cast<std::size_t>(rank)] = error_of<RunError>([&] { group.use_device(device); });
    group.wait_for_all();
    group.leave();
  };
  std::vector<std::thread> others;
  for (const int rank : {1, 2}) others.emplace_back([&member, rank] { member(rank); });
  member(0);
  for (std::thread& other : others) other.join();
  for (const std::string& error : errors) {
    EXPECT_EQ(error,
              "the device is a CPU on rank 1 and a GPU on rank 0, 2; take --device cpu, or --device cuda, which says what is "
              "missing where there is no GPU");
  }
}

/// Environment variables for the time of a scope, those of a launcher else unset.
class Environment {
 public:
  explicit Environment(const Variables& variables) {
    for (const char* name :
         {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID", "SLURM_LOCALID",
          "SLURM_NTASKS", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE",
          "SLURM_TASKS_PER_NODE", "SLURM_NODELIST", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

Variables slurm(const Variables& more) {
  Variables all{{"SLURM_PROCID", "5"},       {"SLURM_LOCALID", "1"},
                {"SLURM_STEP_ID", "2"},      {"SLURM_STEP_NUM_TASKS", "7"},
                {"SLURM_NTASKS", "9"},       {"SLURM_STEP_NODELIST", "gpu[07-09,12],cpu1"},
                {"SLURM_JOB_ID", "1234567"}, {"SLURM_STEP_TASKS_PER_NODE", "4,3"}};
  for (const auto& [name, value] : more) all[name] = value;
  return all;
}

TEST(LaunchTest, ASlurmStepSaysWhereAProcessStands) {
  const Environment environment(slurm({}));
  const Launch launch = Launch::from_environment();
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.world_size, 7);  // of the step, not of the job
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_world_size, 4);
  EXPECT_EQ(launch.address, "gpu07");
  EXPECT_EQ(launch.port, 20000 + 1234567 % 20000);
  EXPECT_EQ(launch.attempt, "1234567.2");
  EXPECT_FALSE(launch.store_elsewhere);
}

TEST(LaunchTest, TheFirstHostOfALegibleOrAFoldedList) {
  for (const auto& [list, host] : Variables{{"gpu[07-09,12],cpu1", "gpu07"},
                                            {"gpu[3,5]", "gpu3"},
                                            {"node1", "node1"},
                                            {"node1,node2", "node1"},
                                            {"a,b[1-3]", "a"},
                                            {"rack2-node[010-020]", "rack2-node010"}}) {
    const Environment environment(slurm({{"SLURM_STEP_NODELIST", list}}));
    EXPECT_EQ(Launch::from_environment().address, host) << list;
  }
}

TEST(LaunchTest, TasksOnANodeAreReadFromAFoldedList) {
  for (const auto& [list, count] : Variables{{"4(x2),3", "4"}, {"8", "8"}, {"2,1", "2"}}) {
    const Environment environment(slurm({{"SLURM_STEP_TASKS_PER_NODE", list}}));
    EXPECT_EQ(Launch::from_environment().local_world_size, std::stoi(count)) << list;
  }
  // A node that has more tasks than the first number says.
  const Environment environment(slurm({{"SLURM_STEP_TASKS_PER_NODE", "1,6"}, {"SLURM_LOCALID", "4"}}));
  EXPECT_EQ(Launch::from_environment().local_world_size, 5);
}

TEST(LaunchTest, AddressAndPortCanBeSet) {
  const Environment environment(slurm({{"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "29500"}}));
  const Launch launch = Launch::from_environment();
  EXPECT_EQ(launch.address, "10.0.0.1");
  EXPECT_EQ(launch.port, 29500);
}

TEST(LaunchTest, NprocIsToldFromTorchrun) {
  const auto launch = [](const std::string& run) {
    const Environment environment({{"RANK", "1"},
                                   {"WORLD_SIZE", "2"},
                                   {"MASTER_ADDR", "127.0.0.1"},
                                   {"MASTER_PORT", "29500"},
                                   {"TORCHELASTIC_RUN_ID", run}});
    return Launch::from_environment();
  };
  EXPECT_TRUE(launch("nproc").nproc);
  EXPECT_FALSE(launch("none").nproc);
}

TEST(LaunchTest, ABatchScriptIsOneProcessAndTorchrunComesFirst) {
  {
    const Environment environment({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "1"}});
    EXPECT_EQ(Launch::from_environment().world_size, 1);
  }
  const Environment environment(slurm({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "host"}, {"MASTER_PORT", "29500"}}));
  EXPECT_EQ(Launch::from_environment().world_size, 2);
}

TEST(LaunchTest, WhatSlurmDoesNotSayIsAnError) {
  const auto error = [](const Variables& variables, const char* missing = nullptr) {
    const Environment environment(slurm(variables));
    if (missing) ::unsetenv(missing);
    return error_of<ConfigError>([] { Launch::from_environment(); });
  };
  EXPECT_EQ(error({{"SLURM_PROCID", "7"}}), "SLURM_PROCID is 7, and there are 7 tasks: ranks go from 0 to 6");
  EXPECT_THAT(error({}, "SLURM_STEP_NODELIST"), ::testing::StartsWith("SLURM_NODELIST is not set, and SLURM_PROCID is; "));
  EXPECT_EQ(error({{"SLURM_JOB_ID", "x"}}), "SLURM_JOB_ID is 'x'; an integer from 0 to 2147483647 is wanted");
}

}  // namespace
}  // namespace emotion
