// emotion_reproduce with the commands that it is for; what it makes of their failures is seen with scripts, in
// reproduce_test.cpp.
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A tiny table through the real commands: data drawn, two networks trained for a few steps, both measured.
TEST(ReproduceReal, ATableIsMadeTrainedAndMeasured) {
  const ScratchFolder folder;
  const fs::path root = folder.path();
  write_text(root / "configs/scales/tiny.yaml",
             "replaces_data: true\n"
             "made: {data/moods: {run: [emotion_data synth affect --count 80 --size 24 --workers 1 --out data/moods]}}\n"
             "settings: {classifier: [data.resize=20, data.size=16, data.workers=1, train.batch=16, train.max_steps=2]}\n");
  write_text(
      root / "configs/base.yaml",
      "task: classifier\noutput: runs/base\ndevice: cpu\ndata: {train: {dataset: data/moods, split: train}, val: {dataset: "
      "data/moods, split: val}}\nmodel: {backbone: resnet18}\n");
  write_text(root / "configs/slow.yaml", "extends: base.yaml\noptimizer: {lr: 1.0e-6}\n");
  write_text(root / "configs/tables/real.yaml",
             "table: real/1\ntitle: Real\nsource: Nobody, 2020\nmeasurements:\n"
             "  Top:\n    command: emotion_eval --checkpoint {checkpoint} --output {output} --data data/moods --bootstrap 0\n"
             "    metric: top1\n"
             "  Probe:\n    command: emotion_probe --checkpoint {checkpoint} --data data/moods --solver sgd --epochs 2 "
             "--epoch-samples 16 --no-cache --seed {seed} --output {output}\n    metric: mAP\n"
             "columns: [Top, Probe]\nrows:\n"
             "  - {name: base, config: base.yaml, printed: [50, null]}\n"
             "  - {name: slow, config: slow.yaml, printed: [40, null]}\n"
             "orderings:\n  - {claim: a larger rate is better, better: base, worse: slow, columns: [Top]}\n");
  const Words words{"emotion_reproduce", "--scale", "tiny", "--seeds", "1", "--output", "out"};
  const auto result = command(root, words);
  ASSERT_EQ(result.code, 0) << result.errors << result.output;
  // The figures are those of the files that the commands wrote, in per cent: eight test pictures.
  std::size_t tops = 0, probes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "out/results")) {
    if (entry.path().filename() != "metrics.json") continue;
    const auto json = nlohmann::json::parse(read_file(entry.path()));
    const bool top = entry.path().parent_path().filename().string().starts_with("Top-");
    const double value = 100 * json[top ? "top1" : "mAP"].get<double>();
    (top ? tops : probes) += 1;
    if (top) {
      EXPECT_NEAR(std::remainder(value, 12.5), 0, 1e-9);
    }
    EXPECT_THAT(read_file(root / "out/tables.csv"), HasSubstr(fmt::format(",{:.4f},,1,", value)));
  }
  EXPECT_EQ(tops, 2U);
  EXPECT_EQ(probes, 2U);
  EXPECT_THAT(result.output, HasSubstr("- a larger rate is better: one seed decides nothing: "));
  const auto run_folders = fs::directory_iterator(root / "out/runs");
  EXPECT_EQ(std::distance(begin(run_folders), end(run_folders)), 2);
  // Again: nothing is left to do, and the figures stay.
  const std::string csv = read_file(root / "out/tables.csv");
  const auto made = [&] {
    std::map<std::string, fs::file_time_type> times{{"made", fs::last_write_time(root / "out/made")}};
    for (const char* below : {"out/runs", "out/results"}) {
      for (const auto& entry : fs::recursive_directory_iterator(root / below)) {
        const std::string name = entry.path().filename().string();
        if (name == "metrics.jsonl" || name == "metrics.json") times[entry.path().string()] = entry.last_write_time();
      }
    }
    return times;
  };
  const auto before = made();
  EXPECT_GE(before.size(), 7U) << "two runs, four results";
  EXPECT_EQ(command(root, words).code, 0);
  EXPECT_EQ(read_file(root / "out/tables.csv"), csv);
  EXPECT_EQ(made(), before);
}

}  // namespace
}  // namespace emotion
