#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "../support/commands.h"
#include "../support/scratch.h"

namespace emotion {

namespace fs = std::filesystem;

/// Leaves weights, or fails as the config's `output` says; every call is a line of `calls`.
inline constexpr const char* kTrain = R"(#!/bin/bash
echo "train $*" >> calls; echo begin >> order
while [ $# -gt 0 ]; do case "$1" in --config) config="$2";; --output) out="$2";; esac; shift; done
if grep -q 'lr: 0.666' "$config"; then echo 'a first line'; echo 'step 7: the loss is NaN; lower optimizer.lr' >&2; exit 1; fi
mkdir -p "$out/checkpoints/best"; cp "$config" "$out/config.yaml"
if [ -e slow ]; then touch "$out/started"; trap 'echo saved >> calls; exit 130' INT TERM; for i in $(seq 600); do sleep 0.05; done; fi
touch "$out/checkpoints/best/model.safetensors" "$out/report.html"
if [ -e meet ]; then  # ends once another training runs beside it
  touch "meet.$$"
  for i in $(seq 600); do set -- meet.*; [ $# -ge 2 ] && exit 0; sleep 0.05; done
  echo 'nobody came' >&2; exit 1
fi
echo end >> order
)";
/// top1 = 0.5 + seed / 100, mAP = 0.25; top1 = 0.125 for a weights file.
inline constexpr const char* kEval = R"(#!/bin/bash
echo "eval $*" >> calls
while [ $# -gt 0 ]; do case "$1" in --checkpoint) run="$2";; --output) out="$2";; esac; shift; done
[ -f "$run" ] && { echo '{"top1": 0.125}' > "$out/metrics.json"; exit 0; }
[ -e "$run/checkpoints/best/model.safetensors" ] || { echo "$run: no weights" >&2; exit 3; }
seed="${run##*seed-}"
printf '{"top1": 0.5%s, "mAP": 0.25}' "$seed" > "$out/metrics.json"
)";
inline constexpr const char* kData = R"(#!/bin/bash
echo "data $*" >> calls
while [ $# -gt 0 ]; do case "$1" in --out) mkdir -p "$2";; esac; shift; done
)";

/// An entry of `measurements`.
inline std::string measured(const std::string& name, const std::string& command, const std::string& metric = "top1") {
  return fmt::format("  {}:\n    command: {}\n    metric: {}\n", name, command, metric);
}
inline const std::string kMeasure = "emotion_eval --checkpoint {checkpoint} --output {output}";

/// emotion_reproduce with small scripts under the names of the commands that it runs.
class ReproduceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [name, text] : {std::pair{"emotion_train", kTrain}, {"emotion_eval", kEval}, {"emotion_data", kData}}) {
      write_text(root_ / "fake" / name, text);
      fs::permissions(root_ / "fake" / name, fs::perms::owner_all);
    }
    config("good", "lr: 0.1", "data/made");
    config("same", "lr: 0.1", "data/made");
    config("bad", "lr: 0.666", "data/made");
    config("lost", "lr: 0.2", "data/lost");
    table("toy_1", "toy/1", {"good", "bad", "lost"});
    table("toy_2", "toy/2", {"same"});
  }

  void config(const std::string& name, const std::string& optimizer, const std::string& data) const {
    write_text(root_ / "configs" / (name + ".yaml"),
               fmt::format("task: classifier\noutput: runs/{}\ndata: {{train: {{dataset: {}, split: train}}, val: {{dataset: {}, "
                           "split: val}}}}\noptimizer: {{{}}}\n",
                           name, data, data, optimizer));
  }

  void table(const std::string& file, const std::string& id, const std::vector<std::string>& rows) const {
    std::string lines;
    for (const auto& row : rows) lines += fmt::format("  - {{name: {0}, config: {0}.yaml, printed: [50]}}\n", row);
    write_table(file, id, measured("Acc", kMeasure), "Acc", lines);
  }
  void write_table(const std::string& file, const std::string& id, const std::string& measurements, const std::string& columns,
                   const std::string& rows) const {
    write_text(root_ / "configs/tables" / (file + ".yaml"),
               "table: " + id +
                   "\ntitle: Toy\nsource: Nobody, 2020\n"
                   "made:\n  data/made:\n    run: [emotion_data synth affect --count 10 --out data/made]\n"
                   "measurements:\n" +
                   measurements + "columns: [" + columns + "]\nrows:\n" + rows);
  }
  /// A data set on the disk.
  void dataset(const std::string& name, const std::vector<std::string>& splits) const {
    std::vector<std::string> files;
    for (const auto& split : splits) files.push_back(fmt::format("{0}: {0}.jsonl", split));
    write_text(root_ / name / "dataset.yaml", fmt::format("classes: [a]\nsplits: {{{}}}\n", fmt::join(files, ", ")));
  }

  static Words words(const Words& flags = {}) { return joined({"emotion_reproduce", "--bin", "fake", "--output", "out"}, flags); }
  Process::Result run(const Words& flags = {}) const { return command(root_, words(flags)); }

  std::string calls(const std::string& program) const {
    const std::string text = fs::exists(root_ / "calls") ? read_file(root_ / "calls") : "";
    std::string chosen;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (text.substr(begin, end - begin).starts_with(program)) chosen += text.substr(begin, end + 1 - begin);
    }
    return chosen;
  }
  long count(const std::string& program) const {
    const std::string text = calls(program);
    return std::count(text.begin(), text.end(), '\n');
  }
  std::string csv() const { return read_file(root_ / "out/tables.csv"); }

  /// Waits until a slow training has begun.
  void wait_for_training() const {
    for (int i = 0; i < 1200; ++i) {
      if (fs::exists(root_ / "out/runs")) {
        for (const auto& entry : fs::recursive_directory_iterator(root_ / "out/runs")) {
          if (entry.path().filename() == "started") return;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "no training began";
  }

  ScratchFolder folder_;
  fs::path root_ = folder_.path();
};

}  // namespace emotion
