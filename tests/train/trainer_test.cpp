#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/io/weights.h"

// Runs the command itself: kills, signals, full disks and exit codes are about processes.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kTiny = std::string(EMOTION_TEST_DATA) + "/fixtures/tiny";

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
std::vector<std::string> tensors(const fs::path& file) {
  std::vector<std::string> all;
  for (const auto& [name, tensor] : read_safetensors(file).entries) {
    all.push_back(name + std::string(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()));
  }
  return all;
}

TEST_F(TrainerTest, ARunKilledAnywhereAndResumedEndsWithTheSameWeights) {
  const std::string file = config();
  ASSERT_EQ(run(file, "whole").code, 0);
  // Kills at different moments, some before the first checkpoint, some within one.
  for (int milliseconds = 400, kills = 0; kills < 8; ++kills, milliseconds += 130) {
    const pid_t pid = start(command(file, "killed", {"--resume"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    ::kill(pid, SIGKILL);
    wait(pid);
  }
  const Result last = run(file, "killed", {"--resume"});
  ASSERT_EQ(last.code, 0) << last.errors;
  const auto whole = folder_.path() / "whole", killed = folder_.path() / "killed";
  EXPECT_EQ(tensors(whole / "checkpoints/last/model.safetensors"), tensors(killed / "checkpoints/last/model.safetensors"));
  EXPECT_EQ(tensors(whole / "checkpoints/last/state.safetensors"), tensors(killed / "checkpoints/last/state.safetensors"));
  EXPECT_EQ(tensors(whole / "checkpoints/best/model.safetensors"), tensors(killed / "checkpoints/best/model.safetensors"));
  // metrics.jsonl: the same steps with the same losses, each once.
  const auto losses = [](const fs::path& run) {
    std::vector<std::string> lines;
    std::ifstream in(run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto json = nlohmann::json::parse(line);
      lines.push_back(json["split"].dump() + json["step"].dump() + json["loss"].dump());
    }
    return lines;
  };
  EXPECT_EQ(losses(whole), losses(killed));
}

TEST_F(TrainerTest, ASignalSavesAndExitsWith130) {
  const pid_t pid = start(command(config("# long\n"), "run", {"--set", "train.epochs=100000"}));
  while (!fs::exists(folder_.path() / "run/checkpoints/last")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ::kill(pid, SIGTERM);
  const Result result = wait(pid);
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.errors, HasSubstr("interrupted after step "));
  EXPECT_EQ(run(config(), "run", {"--resume", "--set", "train.max_steps=1"}).code, 0);
}

TEST_F(TrainerTest, KeepsTheNewestCheckpointsAndTheBest) {
  ASSERT_EQ(run(config(), "run").code, 0);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_.path() / "run/checkpoints"))
    names.insert(entry.path().filename().string());
  EXPECT_TRUE(names.contains("last") && names.contains("best") && names.contains("step-48"));
  EXPECT_LE(names.size(), 5U);  // two, the best, and the two links
}

// Three steps of a classifier of pictures, in the format of a trace viewer: "X" events with a begin and a duration.
TEST_F(TrainerTest, ATraceHoldsThePhasesOfEveryStepAndChangesNothing) {
  const std::string bin = EMOTION_BIN, data = (folder_.path() / "data").string();
  ASSERT_EQ(wait(start({bin + "/emotion_data", "synth", "affect", "--out", data, "--count", "40", "--size", "32"})).code, 0);
  const auto file = folder_.path() / "classifier.yaml";
  write_text(file, fmt::format("task: classifier\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}, size: 32}}\n"
                               "model: {{backbone: resnet18}}\ntrain: {{batch: 4, max_steps: 6}}\n",
                               data));
  ASSERT_EQ(run(file.string(), "plain").code, 0);
  const Result traced = run(file.string(), "traced", {"--profile", "3"});
  ASSERT_EQ(traced.code, 0) << traced.errors;
  const fs::path folder = folder_.path() / "traced";
  EXPECT_THAT(traced.errors, HasSubstr("trace.json: a trace of 3 steps"));
  EXPECT_EQ(tensors(folder / "checkpoints/last/model.safetensors"),
            tensors(folder_.path() / "plain/checkpoints/last/model.safetensors"));
  const auto trace = nlohmann::json::parse(read_file(folder / "trace.json"));
  std::map<std::string, int> count;
  std::map<std::string, double> begin, end;
  for (const auto& event : trace["traceEvents"]) {
    if (event.value("ph", "") != "X") continue;
    const auto name = event["name"].get<std::string>();
    if (count[name]++ > 0) continue;
    begin[name] = event["ts"].get<double>();
    end[name] = begin[name] + event["dur"].get<double>();
  }
  for (const std::string phase : {"loader wait", "to device", "forward", "backward", "optimiser"})
    EXPECT_EQ(count[phase], 3) << phase;
  EXPECT_LE(end["loader wait"], begin["to device"]);
  EXPECT_LE(end["to device"], begin["forward"]);
  EXPECT_LE(end["forward"], begin["backward"]);
  EXPECT_LE(end["backward"], begin["optimiser"]);
  EXPECT_GE(count["aten::conv2d"], 3 * 20);
  EXPECT_GE(begin["aten::conv2d"], begin["forward"]);
  EXPECT_FALSE(fs::exists(folder / "trace.json.part.json"));

  // A run that ends before: what there is, or nothing.
  ASSERT_EQ(run(file.string(), "short", {"--profile", "50"}).code, 0);
  const auto rest = nlohmann::json::parse(read_file(folder_.path() / "short/trace.json"));
  EXPECT_EQ(std::count_if(rest["traceEvents"].begin(), rest["traceEvents"].end(),
                          [](const auto& event) { return event["name"] == "optimiser" && event.value("ph", "") == "X"; }),
            4);
}

TEST_F(TrainerTest, AUsedOutputFolderIsRefused) {
  write_text(folder_.path() / "run/notes.txt", "mine");
  const Result result = run(config(), "run");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.errors, (folder_.path() / "run").string() +
                               ": the output folder is in use; --resume goes on with it, --output takes another\n");
}

TEST_F(TrainerTest, ResumingWithAnotherConfigNamesTheKeys) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4"}).code, 0);
  const Result result = run(config(), "run", {"--resume", "--set", "optimizer.lr=0.5"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("config.yaml: --resume with another config: optimizer.lr was 0.01, is 0.5\n"));
}

TEST_F(TrainerTest, TheSavedModelIsTheMovingAverageOfTheWeights) {
  const auto saved = [&](const std::string& steps, const char* file) {
    const std::string name = "steps" + steps;
    if (!fs::exists(folder_.path() / name)) {
      const Result result = run(config(), name, {"--set", "train.max_steps=" + steps, "--set", "schedule.name=constant"});
      EXPECT_EQ(result.code, 0) << result.errors;
    }
    return read_safetensors(folder_.path() / name / "checkpoints/last" / file);
  };
  const StateDict first = saved("1", "model.safetensors"), second = saved("2", "model.safetensors");
  const StateDict raw = saved("2", "state.safetensors");
  int compared = 0;
  for (const auto& [name, average] : second.entries) {
    const at::Tensor *before = first.find(name), *weights = raw.find("raw." + name);
    ASSERT_TRUE(before && weights) << name;
    if (name.find("running_") != std::string::npos || name.ends_with("num_batches_tracked")) {
      EXPECT_TRUE(average.equal(*weights)) << name;  // buffers are not averaged
      continue;
    }
    EXPECT_FALSE(before->equal(*weights)) << name;
    EXPECT_TRUE(at::allclose(average, *before * 0.9 + *weights * 0.1, 1e-5, 1e-7)) << name;
    ++compared;
  }
  EXPECT_GT(compared, 4);
}

TEST_F(TrainerTest, ALossScaleChangesNoBitOfFloat32) {
  // A power of two changes exponents alone.
  ASSERT_EQ(run(config(), "plain").code, 0);
  ASSERT_EQ(run(config(), "scaled", {"--set", "train.loss_scale=1024"}).code, 0);
  const char* model = "checkpoints/last/model.safetensors";
  EXPECT_EQ(tensors(folder_.path() / "plain" / model), tensors(folder_.path() / "scaled" / model));
  EXPECT_THAT(read_file(folder_.path() / "scaled/metrics.jsonl"), HasSubstr("\"loss_scale\":1024"));

  const auto after = [&](const std::string& steps, const std::string& scale) {
    const std::string name = "over" + steps + scale;
    EXPECT_EQ(run(config(), name, {"--set", "train.max_steps=" + steps, "--set", "train.loss_scale=" + scale}).code, 0);
    return read_safetensors(folder_.path() / name / "checkpoints/last/state.safetensors");
  };
  const StateDict first = after("1", "1e38"), plain = after("1", "0");
  EXPECT_EQ(first.metadata.at("loss_scale"), "5e+37 0");
  EXPECT_EQ(plain.metadata.at("loss_scale"), "0 0");
  // The step was left out: the moments are still zero.
  int moments = 0;
  for (const auto& [name, tensor] : first.entries) {
    if (!name.starts_with("optimizer.")) continue;
    EXPECT_EQ(tensor.abs().max().item<float>(), 0) << name;
    EXPECT_NE(plain.find(name)->abs().max().item<float>(), 0) << name;
    ++moments;
  }
  EXPECT_GT(moments, 4);
}

TEST_F(TrainerTest, ALossThatIsNotFiniteStopsTheRunAndKeepsTheCheckpoint) {
  const Result result = run(config(), "run", {"--set", "optimizer={name: sgd, lr: 1e6}", "--set", "train.epochs=1000"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, ::testing::ContainsRegex("step [0-9]+: loss is (NaN|infinite); the checkpoints stay as they were"));
  EXPECT_THAT(read_file(folder_.path() / "run/log.txt"), ::testing::ContainsRegex("[0-9] error: step [0-9]+: loss is"));
  EXPECT_NO_THROW(read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors"));
}

TEST_F(TrainerTest, AFullDiskStopsTheRunAndKeepsTheLastCheckpoint) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=8"}).code, 0);
  const auto before = weights("run");
  // A file-size limit stands in for the disk: writes beyond it fail in the same way.
  std::string line = "ulimit -f 200; exec";
  for (const auto& word : command(config(), "run", {"--resume"})) line += " '" + word + "'";
  const Result result = wait(start({"/bin/bash", "-c", line}));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, HasSubstr("the last checkpoint is intact"));
  EXPECT_EQ(weights("run"), before);
  for (const auto& entry : fs::directory_iterator(folder_.path() / "run/checkpoints"))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".new")) << entry.path();
}

TEST_F(TrainerTest, ARunFolderIsAWeightsFile) {
  ASSERT_EQ(run(config(), "first", {"--set", "train.epochs=1"}).code, 0);
  const std::string folder = (folder_.path() / "first").string();
  const auto after_a_step = [&](const std::string& output, const std::string& init) {
    const Result result =
        run(config(), output, {"--set", "train.max_steps=1", "--set", "model.init=" + (init.empty() ? "''" : init)});
    EXPECT_EQ(result.code, 0) << result.errors;
    return tensors(folder_.path() / output / "checkpoints/last/model.safetensors");
  };
  const auto by_folder = after_a_step("folder", folder);
  EXPECT_EQ(by_folder, after_a_step("file", folder + "/checkpoints/best/model.safetensors"));
  EXPECT_NE(by_folder, after_a_step("none", ""));
}

TEST_F(TrainerTest, BadInputIsOneLineAndItsExitCode) {
  const auto fails = [&](const std::vector<std::string>& more, int code, const std::string& text) {
    const Result result = run(config(), "bad", more);
    EXPECT_EQ(result.code, code) << result.errors;
    EXPECT_THAT(result.errors, HasSubstr(text));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    EXPECT_FALSE(fs::exists(folder_.path() / "bad")) << "a failed start leaves nothing";
  };
  fails({"--set", "data.train.dataset=/nowhere"}, 3, "/nowhere: not a data set: there is no dataset.yaml");
  fails({"--set", "data.train.split=tset"}, 3, "there is no split 'tset'; there are train, single");
  fails({"--set", "optimiser.lr=1"}, 2, "--set optimiser.lr=1: unknown key optimiser; did you mean optimizer?");
  fails({"--set", "train.batch=0"}, 2, "train.batch is '0'; an integer >= 1 is wanted");
  fails({"--set", "text.word2vec=/nowhere.bin"}, 3, "/nowhere.bin");
  fails({"--set", "model.init=/nowhere.pth"}, 3, "/nowhere.pth");
  fails({"--device", "cuda"}, 1, "device cuda: no CUDA device can be used here");
  fails({"--set", "data.train.split=single"}, 3, "single.jsonl:1: no non-emotion keyword: the TextCNN has nothing to read");
}

}  // namespace
}  // namespace emotion
