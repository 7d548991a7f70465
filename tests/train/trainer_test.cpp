#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "emotion/io/tensorboard.h"
#include "trainer_support.h"

// Runs the command itself: kills, signals, full disks and exit codes are about processes.
namespace emotion {
namespace {

using ::testing::HasSubstr;

TEST_F(TrainerTest, ARunKilledAnywhereAndResumedEndsWithTheSameWeights) {
  const std::string file = config();
  ASSERT_EQ(run(file, "whole").code, 0);
  // Killed before the first checkpoint, and when so many steps more are saved: within the next one, or within its saving.
  const fs::path run_log = folder_.path() / "killed/log.txt";
  for (const std::int64_t more : {0, 1, 3, 7, 2, 11, 5}) {
    const std::int64_t wanted = saved_step("killed") + more;
    const Process process = start(file, "killed", {"--resume"});
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while ((!fs::exists(run_log) || saved_step("killed") < wanted) && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.send(SIGKILL);
    const Result killed = process.wait();
    ASSERT_GE(saved_step("killed"), wanted) << killed.errors;
  }
  const Result last = run(file, "killed", {"--resume"});
  ASSERT_EQ(last.code, 0) << last.errors;
  int in_the_middle = 0;  // of 48 steps
  const std::string text = read_file(run_log), resumed = "resumed after step ";
  for (std::size_t at = text.find(resumed); at != std::string::npos; at = text.find(resumed, at + 1)) {
    const int step = std::atoi(text.c_str() + at + resumed.size());
    in_the_middle += step > 0 && step < 48;
  }
  EXPECT_GE(in_the_middle, 3) << text;
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
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string name = "run" + std::to_string(signal);
    const fs::path lines = folder_.path() / name / "metrics.jsonl";
    // Nothing but the signal saves a step within an epoch, and nothing but its end notes the time of a run without validation.
    const Process process = start(
        config("# long\n"), name,
        {"--set", "train.epochs=100000", "--set", "train.batch=2", "--set", "checkpoint.every_minutes=0", "--set", "data.val="});
    while (!fs::exists(lines) || fs::file_size(lines) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    process.send(signal);
    const Result result = process.wait();
    EXPECT_EQ(result.code, 130);
    const std::string said = "interrupted after step ";
    const auto at = result.errors.find(said);
    ASSERT_NE(at, std::string::npos) << result.errors;
    const int step = std::atoi(result.errors.c_str() + at + said.size());
    EXPECT_EQ(read_safetensors(folder_.path() / name / "checkpoints/last/state.safetensors").metadata.at("step"),
              std::to_string(step));
    EXPECT_TRUE(fs::exists(folder_.path() / name / "times.json"));
    EXPECT_EQ(
        run(config(), name, {"--resume", "--set", "train.max_steps=1", "--set", "train.batch=2", "--set", "data.val="}).code, 0);
  }
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
  const std::string data = (folder_.path() / "data").string();
  ASSERT_EQ(command(folder_.path(), {"emotion_data", "synth", "affect", "--out", data, "--count", "40", "--size", "32"}).code, 0);
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
  EXPECT_EQ(result.errors,
            (folder_.path() / "run").string() + ": the output folder is in use; go on with --resume, or give another --output\n");
}

TEST_F(TrainerTest, ARunThatGoesOnHasItsFolderForItself) {
  const Process process = start(config(), "run", {"--set", "train.epochs=1000000"});
  while (!fs::exists(folder_.path() / "run/checkpoints/last")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const ScratchFolder elsewhere;  // for what it says
  const Result other = Process(elsewhere.path(), words(config(), "run", {"--resume"})).wait();
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.errors, HasSubstr("run: another process trains into it; wait for it, or give another --output"));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().code, 130);
}

// As after a kill before the first checkpoint.
TEST_F(TrainerTest, ARunThatBeginsAnewShowsNoStepTwice) {
  const std::string file = config();
  ASSERT_EQ(run(file, "run", {"--set", "train.max_steps=6"}).code, 0);
  fs::remove_all(folder_.path() / "run/checkpoints");
  const Result again = run(file, "run", {"--resume", "--set", "train.max_steps=6"});
  ASSERT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.errors, ::testing::HasSubstr("no checkpoint yet; the run starts from the beginning"));
  std::vector<std::int64_t> steps;
  for (const EventScalar& scalar : read_event_folder(folder_.path() / "run")) {
    if (scalar.tag == "train/loss") steps.push_back(scalar.step);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{3, 6}));
}

TEST_F(TrainerTest, APageThatCannotBeWrittenCostsNoCheckpoint) {
  const std::string file = config();
  ASSERT_EQ(run(file, "run", {"--set", "train.max_steps=4"}).code, 0);
  fs::remove(folder_.path() / "run/validation.json");
  fs::create_directories(folder_.path() / "run/validation.json/in the way");
  const Result result = run(file, "run", {"--resume", "--set", "train.max_steps=8"});
  EXPECT_THAT(result.errors, ::testing::HasSubstr("the page of this validation is missing: "));
  EXPECT_TRUE(fs::exists(folder_.path() / "run/checkpoints/step-8"));
}

TEST_F(TrainerTest, ResumingWithOtherClassesIsRefused) {
  const auto data = folder_.path() / "data";
  fs::copy(kTiny, data, fs::copy_options::recursive);
  const std::vector<std::string> here{
      "--set", "data.train.dataset=" + data.string(), "--set", "data.val.dataset=" + data.string(), "--set", "train.max_steps=4"};
  const std::string file = config();
  ASSERT_EQ(run(file, "run", here).code, 0);
  std::string text = read_file(data / "dataset.yaml");
  const auto at = text.find("[awe, fear");
  ASSERT_NE(at, std::string::npos) << text;
  write_text(data / "dataset.yaml", text.replace(at, 10, "[fear, awe"));
  auto more = here;
  more.push_back("--resume");
  const Result result = run(file, "run", more);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, ::testing::HasSubstr("the classes were awe, fear, calm, anger, are fear, awe, calm, anger"));
}

// The rows of the embedding are of words in their order: the same file with two of them exchanged has the same shapes.
TEST_F(TrainerTest, ResumingWithAnotherVocabularyIsRefused) {
  const auto words = folder_.path() / "words.txt";
  fs::copy(kTiny + "/vocabulary.txt", words);
  const std::string setting = "text.vocabulary=" + words.string();
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4", "--set", setting}).code, 0);
  std::string text = read_file(words);
  ASSERT_TRUE(text.starts_with("sky\nsea\n")) << text;
  write_text(words, text.replace(0, 8, "sea\nsky\n"));
  const Result result = run(config(), "run", {"--resume", "--set", setting});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("model.safetensors: the vocabulary had 10 words, has 10, and word 1 was sky, is sea: the "
                                       "data set or text.vocabulary has changed; give another --output\n"));
}

TEST_F(TrainerTest, AMetricThatTheValidationDoesNotGiveIsToldOnce) {
  const auto data = folder_.path() / "data";
  fs::copy(kTiny, data, fs::copy_options::recursive);
  std::string text = read_file(data / "dataset.yaml");
  const auto at = text.find("polarity: ");
  ASSERT_NE(at, std::string::npos) << text;
  write_text(data / "dataset.yaml", text.erase(at, text.find('\n', at) + 1 - at));
  const Result result = run(config(), "run",
                            {"--set", "data.train.dataset=" + data.string(), "--set", "data.val.dataset=" + data.string(),
                             "--set", "train.epochs=2", "--set", "checkpoint.best=polarity_accuracy"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const std::string warning = "checkpoint.best is polarity_accuracy, which this validation does not give (it gives loss, ";
  const auto first = result.errors.find(warning);
  ASSERT_NE(first, std::string::npos) << result.errors;
  EXPECT_EQ(result.errors.find(warning, first + 1), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_.path() / "run/checkpoints/best"));
}

TEST_F(TrainerTest, ResumingWithAnotherConfigNamesTheKeys) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4"}).code, 0);
  const Result result = run(config(), "run", {"--resume", "--set", "optimizer.lr=0.5"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("config.yaml: --resume with another config: optimizer.lr was 0.01, is 0.5\n"));
  // Another task has other keys.
  const auto file = folder_.path() / "other.yaml";
  write_text(file, fmt::format("task: classifier\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}}}\n", kTiny));
  const Result other = run(file.string(), "run", {"--resume"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.errors, HasSubstr("config.yaml: --resume with another config: task was textcnn, is classifier\n"));
}

// What only says how long to wait, how much memory to take or what another command does is no part of what is computed.
TEST_F(TrainerTest, KeysThatComputeNothingMayChange) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=4"}).code, 0);
  const Result result = run(
      config(), "run", {"--resume", "--set", "train.max_steps=5", "--set", "train.distributed_timeout=7", "--set", "probe.k=3"});
  EXPECT_EQ(result.code, 0) << result.errors;
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
  const StateDict raw = saved("2", "state.safetensors"), raw_first = saved("1", "state.safetensors");
  int compared = 0;
  for (const auto& [name, average] : second.entries) {
    const at::Tensor *before = first.find(name), *weights = raw.find("raw." + name);
    ASSERT_TRUE(before && weights) << name;
    EXPECT_TRUE(before->equal(*raw_first.find("raw." + name))) << name << ": the initial weights have no part in it";
    if (name.find("running_") != std::string::npos || name.ends_with("num_batches_tracked")) {
      EXPECT_TRUE(average.equal(*weights)) << name;  // buffers are not averaged
      continue;
    }
    EXPECT_FALSE(before->equal(*weights)) << name;
    EXPECT_TRUE(at::allclose(average, *before * 0.9 + *weights * 0.1, 1e-5, 1e-7)) << name;
    ++compared;
  }
  EXPECT_GT(compared, 4);
  const Result resumed = run(config(), "steps1", {"--resume", "--set", "train.max_steps=2", "--set", "schedule.name=constant"});
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  const char* model = "checkpoints/last/model.safetensors";
  EXPECT_EQ(tensors(folder_.path() / "steps1" / model), tensors(folder_.path() / "steps2" / model));
  EXPECT_THAT(resumed.errors,
              HasSubstr("train.ema 0.9 over 2 steps: 81 % of the averaged weights are those after the first step"));
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
  // The step was left out: the moments are still zero, and the average has not begun.
  EXPECT_EQ(first.metadata.at("averaged"), "0");
  EXPECT_EQ(plain.metadata.at("averaged"), "1");
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
  EXPECT_THAT(result.errors, ::testing::ContainsRegex(
                                 "step [0-9]+: (the validation's )?loss is (NaN|infinite); the checkpoints stay as they were"));
  EXPECT_THAT(result.errors,
              HasSubstr("in a run with another --output; --set model.init=RUN begins it with this one's weights\n"));
  EXPECT_THAT(read_file(folder_.path() / "run/log.txt"),
              ::testing::ContainsRegex("[0-9] error: step [0-9]+: (the validation's )?loss is"));
  EXPECT_NO_THROW(read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors"));
}

// Decay times rate is 10^12: after the first step the loss is finite still, and the second one makes weights that are not.
TEST_F(TrainerTest, WeightsThatAreNotFiniteAreNotSaved) {
  const auto file = folder_.path() / "spoilt.yaml";
  write_text(file, fmt::format("task: textcnn\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}}}\n"
                               "optimizer: {{name: sgd, lr: 1.0e+6, weight_decay: 1.0e+6}}\nmodel: {{dropout: 0}}\n"
                               "train: {{epochs: 9, batch: 16, log_every: 1}}\n",
                               kTiny));
  const Result result = run(file.string(), "run");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors,
              ::testing::ContainsRegex("step [0-9]+: [a-z_.]+ holds NaN or infinite values; the checkpoints stay as "
                                       "they were; a lower optimizer.lr"));
  for (const auto& [name, tensor] : read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors").entries)
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  // A validation meets such weights first, and says that the loss is its own.
  const Result validated = run(file.string(), "validated", {"--set", "data.val={dataset: " + kTiny + ", split: train}"});
  EXPECT_EQ(validated.code, 1);
  EXPECT_THAT(validated.errors, ::testing::ContainsRegex("step [0-9]+: the validation's loss[a-z_]* is (NaN|infinite); the "
                                                         "checkpoints stay as they were"));
}

TEST_F(TrainerTest, ABrokenCheckpointIsNamedByTheFileItsTensorIsIn) {
  for (const std::string ema : {"0", "0.9"}) {
    const std::string name = "run" + ema;
    ASSERT_EQ(run(config(), name, {"--set", "train.max_steps=4", "--set", "train.ema=" + ema}).code, 0);
    const auto model_file = folder_.path() / name / "checkpoints/last/model.safetensors";
    StateDict model = read_safetensors(model_file);
    for (auto& entry : model.entries) {
      if (entry.name == "classifier.weight") entry.tensor.fill_(std::nan(""));
    }
    write_safetensors(model_file, model);
    const Result result = run(config(), name, {"--resume", "--set", "train.ema=" + ema});
    EXPECT_EQ(result.code, 3);
    EXPECT_THAT(result.errors, HasSubstr("model.safetensors: classifier.weight holds NaN or infinite values\n"));
  }
}

TEST_F(TrainerTest, AFullDiskStopsTheRunAndKeepsTheLastCheckpoint) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.max_steps=8"}).code, 0);
  const auto before = weights("run");
  // A file-size limit stands in for the disk: writes beyond it fail in the same way.
  std::string line = "ulimit -f 200; exec";
  for (const auto& word : words(config(), "run", {"--resume"})) line += " '" + word + "'";
  const Result result = shell(folder_.path(), line);
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

// As in training: distinct keywords, none of them a class, which would give the answer away.
TEST_F(TrainerTest, ATextCNNIsAskedAsItWasTrained) {
  ASSERT_EQ(run(config(), "run", {"--set", "train.epochs=2"}).code, 0);
  const auto ask = [&](const std::vector<std::string>& words) {
    const auto json = folder_.path() / "answer.json";
    const Result result = command(
        folder_.path(), joined({"emotion_text", "textcnn-predict", "--checkpoint", "run", "--json", json.string()}, words));
    return result.code == 0 ? read_file(json) : result.errors;
  };
  const std::string answer = ask({"sky", "sea"});
  EXPECT_THAT(answer, HasSubstr("\"probabilities\""));
  EXPECT_EQ(ask({"awe", "sky", "sky", "sea", "fear", "sea"}), answer);
  EXPECT_NE(ask({"sky", "fire"}), answer);
  EXPECT_THAT(ask({"awe", "awe"}), HasSubstr("no non-emotion keyword: the TextCNN has nothing to read"));
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
