#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/io/weights.h"
#include "tiny.h"

namespace emotion {

namespace fs = std::filesystem;

class TrainerTest : public ::testing::Test {
 protected:
  struct Result {
    int code;
    std::string errors;
  };

  /// A small TextCNN training: dropout, shuffling and several epochs, a second in all.
  std::string config(const std::string& extra = "") const {
    const auto file = folder_.path() / "run.yaml";
    write_text(file, fmt::format("task: textcnn\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, val: "
                                 "{{dataset: {0}, split: train}}}}\n"
                                 "optimizer: {{name: adam, lr: 0.01}}\nmodel: {{dropout: 0.5}}\ntrain: {{epochs: 12, batch: 4, "
                                 "log_every: 3, ema: 0.9}}\n"
                                 "checkpoint: {{every_minutes: 0.00001, keep: 2}}\n{1}",
                                 kTiny, extra));
    return file.string();
  }

  pid_t start(const std::vector<std::string>& arguments) const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const std::string errors = (folder_.path() / "stderr").string();
      if (!std::freopen(errors.c_str(), "w", stderr)) ::_exit(99);
      std::vector<char*> argv;
      for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(98);
    }
    return pid;
  }

  Result wait(pid_t pid) const {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(folder_.path() / "stderr")};
  }

  std::vector<std::string> command(const std::string& config_file, const std::string& output,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{std::string(EMOTION_BIN) + "/emotion_train", "--config", config_file, "--output",
                                 (folder_.path() / output).string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Result run(const std::string& config_file, const std::string& output, const std::vector<std::string>& more = {}) const {
    return wait(start(command(config_file, output, more)));
  }
  std::string weights(const std::string& output) const {
    return read_file(folder_.path() / output / "checkpoints/last/model.safetensors");
  }

  ScratchFolder folder_;
};

/// The bytes of the tensors (the metadata holds the output folder's name).
inline std::vector<std::string> tensors(const fs::path& file) {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : read_safetensors(file).entries) {
    all.push_back(name + std::string(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()));
  }
  return all;
}

}  // namespace emotion
