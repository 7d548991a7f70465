#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/free_port.h"
#include "../support/ranks.h"
#include "emotion/train/task.h"
#include "step_support.h"
#include "tiny.h"

namespace emotion {

namespace fs = std::filesystem;
using Variables = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

class DistributedTest : public StepTest {
 protected:
  struct Result {
    int code;
    std::string errors;
  };

  std::string config(const std::string& name, const std::string& text) const {
    write_text(folder_.path() / name, text);
    return (folder_.path() / name).string();
  }
  /// A TextCNN without chance: what one process and several compute can be compared.
  std::string textcnn(const std::string& more = "epochs: 5, sync_batch_norm: true", double dropout = 0) const {
    return config("textcnn.yaml",
                  fmt::format("task: textcnn\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, val: "
                              "{{dataset: {0}, split: train}}}}\noptimizer: {{name: sgd, lr: 0.01}}\nmodel: {{dropout: {1}}}\n"
                              "train: {{batch: 4, log_every: 1, distributed_timeout: 10, {2}}}\n"
                              "checkpoint: {{every_minutes: 0.00001, keep: 2}}\n",
                              kTiny, dropout, more));
  }

  pid_t start(const std::string& name, const std::string& file, const Words& more, const Variables& variables = {}) const {
    Words words{std::string(EMOTION_BIN) + "/emotion_train", "--config", file, "--output", output(name).string()};
    words.insert(words.end(), more.begin(), more.end());
    const std::string errors = (folder_.path() / (name + ".stderr")).string();
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (!std::freopen(errors.c_str(), "w", stderr)) ::_exit(99);
      ::setenv("OMP_NUM_THREADS", "1", 1);
      for (const auto& [key, value] : variables) {
        if (key == "PWD" && ::chdir(value.c_str()) != 0) ::_exit(97);
        ::setenv(key.c_str(), value.c_str(), 1);
      }
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(98);
    }
    return pid;
  }
  Result wait(pid_t pid, const std::string& name) const {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(folder_.path() / (name + ".stderr"))};
  }
  Result run(const std::string& name, const std::string& file, const Words& more = {}, const Variables& variables = {}) const {
    return wait(start(name, file, more, variables), name);
  }
  fs::path output(const std::string& name) const { return folder_.path() / name; }
  StateDict model(const std::string& name) const { return read_safetensors(output(name) / "checkpoints/last/model.safetensors"); }
  StateDict state(const std::string& name) const { return read_safetensors(output(name) / "checkpoints/last/state.safetensors"); }
  void wait_for_checkpoint(const std::string& name) const {
    while (!fs::exists(output(name) / "checkpoints/last")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  /// Halts rank 1 of the two that `launcher` has started: the other names it after `seconds` (a pattern) without a sign of it.
  void expect_halted_rank_named(pid_t launcher, const std::string& name, const std::string& seconds) const {
    const auto both = ranks(launcher);
    ASSERT_EQ(both.size(), 2U);
    ::kill(both[1], SIGSTOP);
    const Result stopped = wait(launcher, name);
    EXPECT_EQ(stopped.code, 1);
    EXPECT_THAT(stopped.errors, ::testing::ContainsRegex(fmt::format(
                                    "(^|\n)rank 1 \\(.*, process {}\\) was killed, hangs or lost its network: no sign of it "
                                    "for {} s; emotion_train --resume goes on from the last checkpoint\n$",
                                    both[1], seconds)));
  }
  /// Asks rank 1 of two to end within the evaluation after step 1: the step is saved, its evaluation is not.
  void expect_signal_in_evaluation_saves(pid_t launcher, const std::string& name) const {
    const auto both = ranks(launcher);
    ASSERT_EQ(both.size(), 2U);
    ::kill(both[1], SIGTERM);
    const Result stopped = wait(launcher, name);
    EXPECT_EQ(stopped.code, 130) << stopped.errors;
    EXPECT_EQ(state(name).metadata.at("step"), "1");
    EXPECT_EQ(state(name).metadata.at("evaluated"), "0");
  }
  static void expect_equal(const StateDict& a, const StateDict& b, double tolerance) {
    ASSERT_EQ(a.entries.size(), b.entries.size());
    for (const auto& [name, tensor] : a.entries) {
      const at::Tensor* other = b.find(name);
      ASSERT_TRUE(other) << name;
      const double scale = std::max(1.0, tensor.to(at::kDouble).abs().max().item<double>());
      EXPECT_LE((tensor.to(at::kDouble) - other->to(at::kDouble)).abs().max().item<double>(), tolerance * scale) << name;
    }
  }
  /// The weights that a run of this config begins with.
  static StateDict first_weights(const std::string& file) {
    const RunConfig config = load_run_config(file, {});
    at::manual_seed(config.seed);
    return module_state(make_task(config, Device::open("cpu"))->network());
  }
  /// One step by two processes is the step of one with `batch`, twice theirs.
  void expect_same_step(const std::string& file, const std::string& batch) const {
    const Result alone = run("one", file, {"--set", "train.batch=" + batch});
    ASSERT_EQ(alone.code, 0) << alone.errors;
    const Result two = run("two", file, {"--nproc", "2"});
    ASSERT_EQ(two.code, 0) << two.errors;
    EXPECT_NEAR(metrics("one", "train")[0]["loss"].get<double>(), metrics("two", "train")[0]["loss"].get<double>(), 1e-4);
    const at::NoGradGuard no_grad;
    const StateDict before = first_weights(file), one = model("one"), both = model("two");
    for (const auto& [name, tensor] : one.entries) {
      if (tensor.dim() < 2) continue;
      const double update = (tensor - *before.find(name)).norm().item<double>();
      EXPECT_GT(update, 1e-4) << name;
      EXPECT_LT((tensor - *both.find(name)).norm().item<double>(), 0.05 * update) << name;
    }
  }
  std::vector<nlohmann::json> metrics(const std::string& name, const std::string& split) const {
    std::vector<nlohmann::json> all;
    std::ifstream in(output(name) / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      if (auto json = nlohmann::json::parse(line); json["split"] == split) all.push_back(std::move(json));
    }
    return all;
  }
  static Variables place(int rank, int size, int port) {
    return {{"RANK", std::to_string(rank)},       {"WORLD_SIZE", std::to_string(size)},
            {"LOCAL_RANK", std::to_string(rank)}, {"LOCAL_WORLD_SIZE", std::to_string(size)},
            {"MASTER_ADDR", "127.0.0.1"},         {"MASTER_PORT", std::to_string(port)}};
  }
};

class DifferentRanksTest : public DistributedTest {
 protected:
  /// Starts two ranks that do not fit together; both must say so.
  void expect_refused(const std::string& file, const Words& more, const Variables& zero, const Variables& one, int code,
                      const std::string& text) const {
    const int port = free_port();
    const auto at = [&](int rank, const Variables& variables) {
      Variables all = place(rank, 2, port);
      for (const auto& [name, value] : variables) all[name] = value;
      return all;
    };
    const pid_t first = start("run", file, {"--log-level", "warning"}, at(0, zero));
    Words words{"--log-level", "warning", "--set", "output=" + output("run").string()};
    words.insert(words.end(), more.begin(), more.end());
    const pid_t other = start("run", file, words, at(1, one));
    int status = 0;
    ::waitpid(other, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), code);
    const Result result = wait(first, "run");
    EXPECT_EQ(result.code, code) << result.errors;
    EXPECT_THAT(result.errors, ::testing::ContainsRegex(text));
  }
};

}  // namespace emotion
