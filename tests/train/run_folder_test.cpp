#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../src/train/run_state.h"
#include "../support/commands.h"
#include "emotion/train/run_end.h"
#include "trainer_support.h"

// Which folder a run works in, and what a run that goes on or begins says of itself.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class RunFolderTest : public TrainerTest {
 protected:
  /// The command as it is, in the working directory `from`.
  Process::Result call(const std::vector<std::string>& arguments, const fs::path& from) const {
    fs::create_directories(from);
    return command(from, joined({"emotion_train"}, arguments));
  }
  Process::Result call(const std::vector<std::string>& arguments) const { return call(arguments, folder_.path()); }
  bool has_step(const std::string& name, int step) const {
    return fs::exists(folder_.path() / name / fmt::format("checkpoints/step-{}", step));
  }
  void copy_run(const std::string& from, const std::string& to) const {
    fs::copy(folder_.path() / from, folder_.path() / to, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }
  static auto lines_with(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
  }
};

TEST_F(RunFolderTest, ACopiedRunGoesOnWhereItIs) {
  const auto made = call({"--config", config(), "--output", "run", "--set", "train.max_steps=4"});
  ASSERT_EQ(made.code, 0) << made.errors;
  for (const std::string name : {"copy", "given", "shared"}) copy_run("run", name);
  const auto file = call({"--config", "copy/config.yaml", "--resume", "--set", "train.max_steps=6"});
  ASSERT_EQ(file.code, 0) << file.errors;
  EXPECT_THAT(file.errors, HasSubstr("copy: the run in this folder goes on, though its config.yaml says output: run\n"));
  EXPECT_TRUE(has_step("copy", 6));
  // From there on its config.yaml says where it is.
  const auto folder = call({"--config", "copy", "--resume", "--set", "train.max_steps=8"});
  ASSERT_EQ(folder.code, 0) << folder.errors;
  EXPECT_THAT(folder.errors, Not(HasSubstr("says output")));
  EXPECT_TRUE(has_step("copy", 8));
  // A folder that is named has the last word.
  ASSERT_EQ(call({"--config", "given", "--resume", "--output", "fresh", "--set", "train.max_steps=6"}).code, 0);
  EXPECT_TRUE(has_step("fresh", 6));
  EXPECT_FALSE(has_step("given", 6));
  // All processes of a run mean the same folder, and one of them says so.
  const auto both = call({"--nproc", "2", "--config", "shared/config.yaml", "--resume", "--set", "train.max_steps=6"});
  ASSERT_EQ(both.code, 0) << both.errors;
  EXPECT_EQ(lines_with(both.errors, "the run in this folder goes on"), 1U) << both.errors;
  EXPECT_TRUE(has_step("shared", 6));
  EXPECT_FALSE(has_step("run", 6)) << "nothing went on in the first one";
}

TEST_F(RunFolderTest, ARunGoesOnFromAnyWorkingDirectory) {
  ASSERT_EQ(call({"--config", config(), "--output", "runs/a", "--set", "train.max_steps=4"}).code, 0);
  const std::string kept = (folder_.path() / "runs/a/config.yaml").string();
  const auto elsewhere = folder_.path() / "elsewhere";
  const auto resumed = call({"--config", kept, "--resume", "--set", "train.max_steps=6"}, elsewhere);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_THAT(resumed.errors, HasSubstr("resumed after step 4"));
  EXPECT_TRUE(has_step("runs/a", 6));
  EXPECT_FALSE(fs::exists(elsewhere / "runs"));
}

TEST_F(RunFolderTest, WithoutResumeAConfigMeansItsOwnOutput) {
  ASSERT_EQ(call({"--config", config(), "--output", "run", "--set", "train.max_steps=4"}).code, 0);
  copy_run("run", "copy");
  const auto again = call({"--config", "copy"});
  EXPECT_EQ(again.code, 2);
  EXPECT_EQ(again.errors, "run: the output folder is in use; go on with --resume, or give another --output\n");
  // Beside no run a config.yaml is like any other.
  write_text(folder_.path() / "mine/config.yaml", read_file(config("output: out\n")));
  ASSERT_EQ(call({"--config", "mine", "--resume", "--set", "train.max_steps=4"}).code, 0);
  EXPECT_TRUE(has_step("out", 4));
  fs::create_directories(folder_.path() / "empty");
  const auto empty = call({"--config", "empty"});
  EXPECT_EQ(empty.code, 2);
  EXPECT_EQ(empty.errors, "empty: this folder holds no config.yaml; give a run folder or a YAML file\n");
}

// Four steps an epoch.
TEST_F(RunFolderTest, AnotherLengthIsSaid) {
  const std::string file = config("schedule: {name: cosine}\n");
  ASSERT_EQ(run(file, "run", {"--set", "train.epochs=1"}).code, 0);
  const Result longer = run(file, "run", {"--resume", "--set", "train.epochs=3"});
  ASSERT_EQ(longer.code, 0) << longer.errors;
  EXPECT_THAT(longer.errors, HasSubstr("train.epochs was 1 and is 3: the cosine schedule is stretched from 4 to 12 steps\n"));
  const Result limited = run(file, "run", {"--resume", "--set", "train.epochs=3", "--set", "train.max_steps=10"});
  EXPECT_THAT(limited.errors,
              HasSubstr("train.max_steps was 0 and is 10: the cosine schedule is shortened from 12 to 10 steps\n"));
  EXPECT_THAT(limited.errors, Not(HasSubstr("train.epochs was")));
  // The steps stay the same, and so does the schedule.
  const Result same = run(file, "run", {"--resume", "--set", "train.max_steps=10"});
  EXPECT_THAT(same.errors, HasSubstr("train.epochs was 3 and is 12\n"));

  ASSERT_EQ(run(config("schedule: {name: constant}\n"), "constant", {"--set", "train.epochs=1"}).code, 0);
  EXPECT_THAT(run(config("schedule: {name: constant}\n"), "constant", {"--resume", "--set", "train.epochs=2"}).errors,
              HasSubstr("train.epochs was 1 and is 2\n"));
}

TEST_F(RunFolderTest, StepsWithoutACheckpointAreKept) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4"}).code, 0);
  fs::remove_all(folder_.path() / "run/checkpoints");
  const Result result = run(config(), "run");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.errors,
            (folder_.path() / "run").string() +
                ": the output folder holds a run without a checkpoint; --resume begins it anew, or give another --output\n");
  EXPECT_GT(fs::file_size(folder_.path() / "run/metrics.jsonl"), 0U);
  // There is nothing that another config would not fit.
  const Result anew = run(config(), "run", {"--resume", "--set", "optimizer.lr=0.001", "--set", "train.max_steps=4"});
  ASSERT_EQ(anew.code, 0) << anew.errors;
  EXPECT_THAT(anew.errors, HasSubstr("no checkpoint yet; the run starts from the beginning"));
  EXPECT_THAT(read_file(folder_.path() / "run/config.yaml"), HasSubstr("lr: 0.001\n"));
}

// A trace, a time and a checkpoint that a kill has cut off are no steps.
TEST_F(RunFolderTest, WhatAFailedStartLeavesMakesRoom) {
  for (const char* name : {"config.yaml", "log.txt", "metrics.jsonl", "times.json", "trace.json", "checkpoints/.new-step-3/a"})
    write_text(folder_.path() / "run" / name, "");
  const Result result = run(config(), "run", {"--set", "train.max_steps=4"});
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_TRUE(has_step("run", 4));
  EXPECT_FALSE(fs::exists(folder_.path() / "run/trace.json"));
}

// Data that are not there: what a folder holds, a folder of one's own and a link to one stay as they are.
TEST_F(RunFolderTest, AStartThatFailsTakesNothingAway) {
  const std::vector<std::string> bad{"--set", "data.train.dataset=/nowhere"};
  for (const char* name : {"config.yaml", "log.txt"}) write_text(folder_.path() / "run" / name, name);
  EXPECT_EQ(run(config(), "run", bad).code, 3);
  for (const char* name : {"config.yaml", "log.txt"}) EXPECT_EQ(read_file(folder_.path() / "run" / name), name);
  for (const char* name : {"empty", "linked"}) fs::create_directories(folder_.path() / name);
  fs::create_directory_symlink("linked", folder_.path() / "link");
  for (const char* name : {"empty", "link"}) {
    EXPECT_EQ(run(config(), name, bad).code, 3);
    EXPECT_TRUE(fs::is_directory(folder_.path() / name)) << name;
  }
  EXPECT_TRUE(fs::is_symlink(folder_.path() / "link"));
}

// Four steps an epoch.
TEST_F(RunFolderTest, AWarmUpThatNothingFollowsIsSaid) {
  const std::string text = "schedule.warmup 2 is 8 steps, and the run has 4: nothing follows the warm-up\n";
  EXPECT_THAT(run(config("schedule: {warmup: 2}\n"), "short", {"--set", "train.max_steps=4"}).errors, HasSubstr(text));
  EXPECT_THAT(run(config("schedule: {warmup: 2}\n"), "long", {"--set", "train.max_steps=9"}).errors, Not(HasSubstr("warmup")));
}

// It has the name of a file that a run writes, but no run has been there.
TEST_F(RunFolderTest, AConfigThatLiesInItsOutputFolderIsKept) {
  fs::create_directories(folder_.path() / "run");
  fs::copy(config(), folder_.path() / "run/config.yaml");
  const std::string before = read_file(folder_.path() / "run/config.yaml");
  EXPECT_EQ(run((folder_.path() / "run/config.yaml").string(), "run").code, 2);
  EXPECT_EQ(read_file(folder_.path() / "run/config.yaml"), before);
}

TEST_F(RunFolderTest, TheHeaderSaysWhatIsTrainedOn) {
  const Result whole = run(config(), "whole", {"--set", "train.max_steps=4"});
  EXPECT_THAT(whole.errors, HasSubstr("textcnn: 16 training samples, "));
  EXPECT_THAT(whole.errors, HasSubstr(kTiny + "/train.jsonl: data.train and data.val are the same split; "));
  const Result part = run(config(), "part", {"--set", "train.max_steps=2", "--set", "data.fraction=0.5", "--set", "data.val="});
  ASSERT_EQ(part.code, 0) << part.errors;
  EXPECT_THAT(part.errors, HasSubstr("textcnn: 8 of 16 training samples, "));
  EXPECT_THAT(part.errors, Not(HasSubstr("the same split")));
  const Result large = run(config(), "large", {"--set", "train.batch=65536", "--set", "train.accumulate=65536"});
  ASSERT_EQ(large.code, 0) << large.errors;
  EXPECT_THAT(large.errors, HasSubstr(" 12 steps of 4294967296 samples on cpu"));
}

// Four batches of four samples an epoch: its loss is the mean of theirs.
TEST_F(RunFolderTest, EpochLinesSayWhatIsMeasured) {
  const Result every = run(config(), "every", {"--set", "train.epochs=2", "--set", "train.log_every=1"});
  ASSERT_EQ(every.code, 0) << every.errors;
  std::vector<double> sums(3);
  std::ifstream in(folder_.path() / "every/metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["split"] == "train") sums[json["epoch"].get<std::size_t>()] += json["loss"].get<double>();
  }
  for (const int epoch : {1, 2}) {
    EXPECT_THAT(every.errors, HasSubstr(fmt::format("epoch {}/2  step {}  train loss {:.4f}  val loss ", epoch, 4 * epoch,
                                                    sums[static_cast<std::size_t>(epoch)] / 4)));
  }
  EXPECT_THAT(every.errors, ContainsRegex("  val loss [0-9.]+  top1 "));
  // Whatever metrics.jsonl has lines for, and by any number of processes.
  const Result rarely = run(config(), "rarely", {"--set", "train.epochs=1", "--set", "train.log_every=1000"});
  EXPECT_THAT(rarely.errors, HasSubstr(fmt::format("epoch 1/1  step 4  train loss {:.4f}  val loss ", sums[1] / 4)));
  EXPECT_THAT(run(config(), "two", {"--set", "train.epochs=1", "--set", "train.batch=2", "--nproc", "2"}).errors,
              ContainsRegex("epoch 1/1  step 4  train loss [0-9.]+  val loss "));
}

// Three epochs of four steps, a line every eighth: it counts the time of those epochs, not of the last one's steps alone.
TEST_F(RunFolderTest, LinesSayHowLongTheirStepsTook) {
  const auto begin = std::chrono::steady_clock::now();
  const Result result = run(config(), "run", {"--set", "train.epochs=3", "--set", "train.log_every=8"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const double whole = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::ifstream in(folder_.path() / "run/metrics.jsonl");
  double sum = 0;
  int lines = 0;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["split"] != "train") continue;
    ASSERT_TRUE(json.contains("seconds")) << line;
    // The rate counts the last epoch's 16 samples.
    EXPECT_GE(json["seconds"].get<double>(), 16 / json["samples_per_second"].get<double>()) << line;
    sum += json["seconds"].get<double>();
    ++lines;
  }
  EXPECT_EQ(lines, 2) << "after steps 8 and 12";
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, whole);
}

TEST(UnfinishedRun, HasNotReachedTheEndThatItsConfigNames) {
  const ScratchFolder folder;
  const fs::path run = folder.path() / "run";
  const auto save = [&](std::int64_t epoch, std::int64_t step, bool evaluated) {
    RunState state;
    state.place = {epoch, 0};
    state.step = step;
    state.evaluated = evaluated;
    state.windows = {"[]"};
    StateDict saved;
    saved.metadata = state.to_metadata();
    fs::create_directories(run / "checkpoints/last");
    write_safetensors(run / "checkpoints/last/state.safetensors", saved);
    return is_unfinished_run(run);
  };
  EXPECT_FALSE(is_unfinished_run(run)) << "no run";
  write_text(run / "config.yaml", "train: {epochs: 2, max_steps: 9}\n");
  EXPECT_TRUE(is_unfinished_run(run)) << "no checkpoint yet";
  EXPECT_TRUE(save(1, 5, true));
  EXPECT_TRUE(save(2, 8, false)) << "its last evaluation is still to come";
  EXPECT_FALSE(save(2, 8, true));
  EXPECT_FALSE(save(1, 9, true)) << "stopped by max_steps";
  write_text(folder.path() / "given/config.yaml", "train: {epochs: 2}\n");
  write_text(folder.path() / "given/model.safetensors", "");
  EXPECT_FALSE(is_unfinished_run(folder.path() / "given")) << "weights alone";
}

}  // namespace
}  // namespace emotion
