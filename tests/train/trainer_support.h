#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "emotion/io/weights.h"
#include "tiny.h"

namespace emotion {

namespace fs = std::filesystem;

class TrainerTest : public ::testing::Test {
 protected:
  using Result = Process::Result;

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

  Words words(const std::string& config_file, const std::string& output, const Words& more = {}) const {
    return joined(command_words({"emotion_train", "--config", config_file, "--output", (folder_.path() / output).string()}),
                  more);
  }
  Process start(const std::string& config_file, const std::string& output, const Words& more = {}) const {
    return Process(folder_.path(), words(config_file, output, more));
  }
  Result run(const std::string& config_file, const std::string& output, const Words& more = {}) const {
    return start(config_file, output, more).wait();
  }
  /// The step of the last checkpoint; 0 before the first.
  std::int64_t saved_step(const std::string& output) const {
    std::error_code missing;
    const std::string name = fs::read_symlink(folder_.path() / output / "checkpoints/last", missing).filename().string();
    return name.starts_with("step-") ? std::stoll(name.substr(5)) : 0;
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
