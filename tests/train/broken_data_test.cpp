#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trainer_support.h"

// Runs on data sets with something wrong in them.
namespace emotion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BrokenDataTest : public TrainerTest {
 protected:
  void SetUp() override {
    fs::copy(kTiny, data_, fs::copy_options::recursive);
    write_text(
        data_ / "dataset.yaml",
        "name: tiny\nclasses: [awe, fear, calm, anger]\nsplits: {train: train.jsonl, val: val.jsonl, extra: extra.jsonl}\n");
  }
  /// Pictures of a split, by number, the classes in turn.
  void write_split(const std::string& split, const std::vector<int>& pictures, const std::vector<std::string>& labels) const {
    std::string lines;
    for (std::size_t i = 0; i < pictures.size(); ++i)
      lines += fmt::format("{{\"image\": \"img/{:02}.png\", \"labels\": [\"{}\"], \"keywords\": [\"sky\", \"{}\"]}}\n",
                           pictures[i], labels[i % labels.size()], labels[i % labels.size()]);
    write_text(data_ / (split + ".jsonl"), lines);
  }
  void spoil(int picture) const { write_text(data_ / fmt::format("img/{:02}.png", picture), "no picture"); }
  std::string classifier(const std::string& more) const {
    const auto file = folder_.path() / "classifier.yaml";
    write_text(file, fmt::format("task: classifier\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, val: "
                                 "{{dataset: {0}, split: val}}, size: 32, resize: 36, workers: 1, on_error: skip}}\n"
                                 "model: {{backbone: resnet18}}\n{1}\n",
                                 data_.string(), more));
    return file.string();
  }
  /// An EmotionNet with a second data set, the split `extra`.
  std::string three_branch(const std::string& train) const {
    const auto file = folder_.path() / "three.yaml";
    write_text(file,
               fmt::format("task: emotionnet\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, extra: "
                           "{{dataset: {0}, split: extra}}, size: 32, resize: 36, shuffle: false, workers: 1, on_error: skip}}\n"
                           "text: {{word2vec: {0}/word2vec.txt}}\nmodel: {{backbone: resnet18, head: three_branch}}\n"
                           "loss: {{soft_label: false}}\ntrain: {{log_every: 1, {1}}}\n",
                           data_.string(), train));
    return file.string();
  }
  nlohmann::json last_line(const std::string& output, const std::string& split) const {
    nlohmann::json found;
    std::ifstream in(folder_.path() / output / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      if (auto json = nlohmann::json::parse(line); json["split"] == split) found = std::move(json);
    }
    return found;
  }

  fs::path data_ = folder_.path() / "data";
  const std::vector<std::string> classes_{"awe", "fear", "calm", "anger"};
};

TEST_F(BrokenDataTest, SkippedPicturesOfBothSplitsAreListedByOneProcessAndByTwo) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, classes_);
  write_split("val", {11, 12, 13, 14, 15}, classes_);
  spoil(3);
  spoil(13);
  const std::string file = classifier("train: {batch: 3, epochs: 2, distributed_timeout: 60}");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, std::vector<std::string>{"--nproc", "2"}}) {
    const std::string name = fmt::format("run{}", more.size());
    const Result result = run(file, name, more);
    ASSERT_EQ(result.code, 0) << result.errors;
    EXPECT_THAT(result.errors, HasSubstr("skipped " + (data_ / "train.jsonl").string() + ":4: "));
    EXPECT_THAT(result.errors, HasSubstr("skipped " + (data_ / "val.jsonl").string() + ":3: "));
    EXPECT_THAT(result.errors, HasSubstr("2 broken images were skipped"));
    EXPECT_THAT(result.errors, Not(HasSubstr("no map of the features")));
    // The map shows the four pictures that are whole, each with its class.
    const auto map = nlohmann::json::parse(read_file(folder_.path() / name / "features.json"));
    EXPECT_EQ(map["images"], nlohmann::json({"img/11.png", "img/12.png", "img/14.png", "img/15.png"}));
    EXPECT_EQ(map["classes"], nlohmann::json({"awe", "fear", "anger", "awe"}));
    EXPECT_EQ(map["principal"].size(), 4U);
  }
}

TEST_F(BrokenDataTest, AStoppedRunListsThemToo) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7}, classes_);
  write_split("val", {11, 12, 13}, classes_);
  spoil(13);
  const Process process = start(classifier("train: {batch: 4, epochs: 100000}"), "run");
  while (!fs::exists(folder_.path() / "run/checkpoints/last")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  process.send(SIGTERM);
  const Result result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.errors, HasSubstr("skipped " + (data_ / "val.jsonl").string() + ":3: "));
}

// Nothing was learnt: the corrected command begins anew in the same folder.
TEST_F(BrokenDataTest, AStopAtTheFirstStepSaysWhatToDoAndBlocksNoFolder) {
  write_split("train", {0, 1, 2, 3}, classes_);
  write_split("val", {11, 12, 13}, classes_);
  const std::string whole = read_file(data_ / "img/02.png");
  spoil(2);
  const std::string file = classifier("train: {batch: 4, max_steps: 1}");
  const std::vector<std::string> stop{"--set", "data.on_error=stop"};
  const Result stopped = run(file, "run", stop);
  EXPECT_EQ(stopped.code, 3);
  EXPECT_THAT(stopped.errors, HasSubstr((data_ / "train.jsonl").string() + ":3: "));
  EXPECT_THAT(stopped.errors,
              ::testing::EndsWith("; data.on_error=skip leaves such pictures out, emotion_data verify lists broken ones\n"));
  const fs::path folder = folder_.path() / "run";
  ASSERT_TRUE(fs::exists(folder / "log.txt") && fs::exists(folder / "config.yaml"));

  // Another's file is worth more than a fresh start.
  write_text(folder / "notes.txt", "mine");
  EXPECT_EQ(run(file, "run", stop).code, 2);
  EXPECT_TRUE(fs::exists(folder / "notes.txt") && fs::exists(folder / "log.txt"));
  fs::remove(folder / "notes.txt");

  write_text(data_ / "img/02.png", whole);
  const Result again = run(file, "run", stop);
  ASSERT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr("run: a run that ended before its first checkpoint is replaced\n"));
  EXPECT_THAT(read_file(folder / "log.txt"), Not(HasSubstr("02.png")));
  EXPECT_TRUE(fs::exists(folder / "checkpoints/last/model.safetensors"));
}

// The second picture of three, which two processes leave to rank 1. The epoch is saved before the error goes on; with the picture
// mended the run goes on with that evaluation.
TEST_F(BrokenDataTest, AnErrorOfTheEvaluationCostsNoEpoch) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7}, classes_);
  write_split("val", {11, 12, 13}, classes_);
  const std::string whole = read_file(data_ / "img/12.png");
  const std::string file = classifier("train: {batch: 4, epochs: 2, ema: 0.5, distributed_timeout: 60}");
  const std::vector<std::string> stop{"--set", "data.on_error=stop"};
  ASSERT_EQ(run(file, "whole", stop).code, 0);
  for (const std::vector<std::string>& more : {stop, joined(stop, {"--nproc", "2"})}) {
    const std::string name = fmt::format("run{}", more.size());
    spoil(12);
    const Result stopped = run(file, name, more);
    EXPECT_EQ(stopped.code, 3);
    EXPECT_THAT(stopped.errors, HasSubstr((data_ / "val.jsonl").string() + ":2: "));
    const int steps = more == stop ? 2 : 1;  // an epoch
    EXPECT_THAT(stopped.errors, HasSubstr(fmt::format("step {} is saved; --resume begins with its evaluation\n", steps)));
    const auto last = folder_.path() / name / "checkpoints/last";
    EXPECT_EQ(read_safetensors(last / "state.safetensors").metadata.at("step"), std::to_string(steps));
    EXPECT_EQ(read_safetensors(last / "state.safetensors").metadata.at("evaluated"), "0");
    write_text(data_ / "img/12.png", whole);
    const Result resumed = run(file, name, joined(more, {"--resume"}));
    ASSERT_EQ(resumed.code, 0) << resumed.errors;
    if (more != stop) continue;
    for (const char* part : {"model.safetensors", "state.safetensors"})
      EXPECT_EQ(tensors(last / part), tensors(folder_.path() / "whole/checkpoints/last" / part)) << part;
    EXPECT_EQ(last_line(name, "val"), last_line("whole", "val"));
  }
}

// The second batch of rank 1 is broken pictures alone; with batch norms that the processes share each waits for the other.
TEST_F(BrokenDataTest, ASecondBatchThatOneProcessLacksIsLeftOutByAll) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7}, classes_);
  write_split("val", {0, 1}, classes_);
  write_split("extra", {8, 9, 10, 11}, classes_);
  spoil(9);
  spoil(11);
  const std::string file = three_branch("batch: 2, max_steps: 2, sync_batch_norm: true, distributed_timeout: 10");
  const Result result = run(file, "run", {"--nproc", "2"});
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("skipped " + (data_ / "extra.jsonl").string() + ":2: "));
  EXPECT_THAT(result.errors, HasSubstr("2 broken images were skipped"));
}

// Of two batches of a step the second cannot be read: the step is that of the first alone.
TEST_F(BrokenDataTest, AStepIsTheMeanOverWhatCouldBeRead) {
  write_split("val", {11, 12}, classes_);
  const std::string more = "optimizer: {name: sgd, lr: 0.05}\ntrain: {batch: 3, accumulate: 2, max_steps: 1, log_every: 1}";
  const std::string file = classifier(more);
  write_split("train", {0, 1, 2}, classes_);
  ASSERT_EQ(run(file, "first", {"--set", "data.shuffle=false"}).code, 0);
  write_split("train", {0, 1, 2, 3, 4, 5}, classes_);
  for (const int picture : {3, 4, 5}) spoil(picture);
  const Result result = run(file, "both", {"--set", "data.shuffle=false"});
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("3 broken images were skipped"));
  EXPECT_EQ(tensors(folder_.path() / "both/checkpoints/last/model.safetensors"),
            tensors(folder_.path() / "first/checkpoints/last/model.safetensors"));
}

// The last picture of a step's two batches of three is broken, of the data set or of the second one: the step is that of a run
// without it, as the losses of each data set are means over what could be read of that one alone.
TEST_F(BrokenDataTest, AStepIsTheMeanOverWhatCouldBeReadOfEachDataSet) {
  write_split("val", {12}, classes_);
  const std::string file = three_branch("batch: 3, accumulate: 2, max_steps: 1");
  const std::vector<int> first{0, 1, 2, 3, 4, 5}, second{6, 7, 8, 9, 10, 11};
  for (const std::string broken : {"train", "extra"}) {
    std::vector<int> rest = broken == "train" ? first : second;
    const int picture = rest.back();
    const std::string whole = read_file(data_ / fmt::format("img/{:02}.png", picture));
    spoil(picture);
    write_split("train", first, classes_);
    write_split("extra", second, classes_);
    const Result result = run(file, broken + "-with");
    ASSERT_EQ(result.code, 0) << result.errors;
    EXPECT_THAT(result.errors, HasSubstr("skipped " + (data_ / (broken + ".jsonl")).string() + ":6: "));
    rest.pop_back();
    write_split(broken, rest, classes_);
    ASSERT_EQ(run(file, broken + "-without").code, 0);
    EXPECT_EQ(tensors(folder_.path() / (broken + "-with") / "checkpoints/last/model.safetensors"),
              tensors(folder_.path() / (broken + "-without") / "checkpoints/last/model.safetensors"))
        << broken;
    write_text(data_ / fmt::format("img/{:02}.png", picture), whole);
  }
}

// A fraction leaves classes out.
TEST_F(BrokenDataTest, BalancedWeightsCountWhatIsTrainedOn) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7}, classes_);
  write_split("val", {11, 12, 13, 14}, classes_);
  const Result result =
      run(classifier("loss: {class_weights: balanced}\ntrain: {batch: 2, max_steps: 1}"), "run", {"--set", "data.fraction=0.25"});
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("has no training sample"));
}

// Two batches of a step: three of awe, whose weight is 6 / (4 * 3) = 0.5, and one of each other class, of weight 6 / 4 = 1.5. The
// step is (1.5 g + 4.5 h) / 6 of the batches' own gradients, whether its pictures are known beforehand or once they are read.
TEST_F(BrokenDataTest, BalancedWeightsAreThoseOfAllBatchesOfAStep) {
  const auto file = folder_.path() / "weights.yaml";
  write_text(file, fmt::format("task: classifier\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}, augment: "
                               "none, resize: 0, flip: false, shuffle: false, workers: 1}}\nmodel: {{backbone: resnet18}}\n"
                               "optimizer: {{name: sgd, lr: 0.05, weight_decay: 0}}\nschedule: {{name: constant}}\n"
                               "train: {{batch: 3, accumulate: 2, max_steps: 1, log_every: 1}}\n",
                               data_.string()));
  const auto after_a_step = [&](const std::string& name, const std::vector<std::string>& more) {
    const Result result = run(file.string(), name, more);
    EXPECT_EQ(result.code, 0) << result.errors;
    return read_safetensors(folder_.path() / name / "checkpoints/last/model.safetensors");
  };
  write_split("train", {0, 1, 2}, {"awe"});
  const StateDict light = after_a_step("light", {});
  write_split("train", {3, 4, 5}, {"fear", "calm", "anger"});
  const StateDict heavy = after_a_step("heavy", {});
  write_split("train", {0, 1, 2, 3, 4, 5}, {"awe", "awe", "awe", "fear", "calm", "anger"});
  const std::vector<std::string> balanced{"--set", "loss.class_weights=balanced"};
  const StateDict both = after_a_step("both", balanced);
  for (const auto& [name, tensor] : both.entries) {
    if (tensor.dim() < 2) continue;
    const at::Tensor wanted = (*light.find(name) + *heavy.find(name) * 3) / 4;
    const double apart = (*light.find(name) - *heavy.find(name)).norm().item<double>();
    EXPECT_GT(apart, 0) << name;
    EXPECT_LT((tensor - wanted).norm().item<double>(), 0.05 * apart) << name;
  }
  after_a_step("skipping", joined(balanced, {"--set", "data.on_error=skip"}));
  EXPECT_EQ(tensors(folder_.path() / "skipping/checkpoints/last/model.safetensors"),
            tensors(folder_.path() / "both/checkpoints/last/model.safetensors"));
}

// A validation batch of such a class alone is a mean over nothing, not a loss that is not a number.
TEST_F(BrokenDataTest, BalancedWeightsPassOverAClassThatTrainingLacks) {
  write_split("train", {0, 1, 2, 3, 4, 5, 6, 7}, {"awe", "fear", "calm"});
  write_split("val", {8, 9, 10, 11}, {"anger"});
  const std::string file = classifier("loss: {class_weights: balanced}\ntrain: {batch: 2, epochs: 1, log_every: 4}");
  const Result result = run(file, "run");
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("train.jsonl: class anger has no training sample"));
  EXPECT_FALSE(last_line("run", "val").contains("loss"));
  EXPECT_TRUE(last_line("run", "val").contains("top1"));

  // Mixed with others, the mean is that of the others.
  write_split("val", {8, 9, 10, 11}, {"anger", "anger", "awe", "fear"});
  ASSERT_EQ(run(file, "mixed").code, 0);
  write_split("val", {10, 11}, {"awe", "fear"});
  ASSERT_EQ(run(file, "others").code, 0);
  EXPECT_NEAR(last_line("mixed", "val")["loss"].get<double>(), last_line("others", "val")["loss"].get<double>(), 1e-4);
}

}  // namespace
}  // namespace emotion
