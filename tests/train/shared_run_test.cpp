#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed_support.h"

// What several processes share beyond a step: places in the data, evaluations, stops, data that must be the same.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class SharedRunTest : public DistributedTest {
 protected:
  std::vector<std::int64_t> steps(const std::string& name, const std::string& split) const {
    std::vector<std::int64_t> all;
    for (const auto& line : metrics(name, split)) all.push_back(line["step"].get<std::int64_t>());
    return all;
  }
  /// A copy of the tiny data set in FOLDER, with more splits.
  fs::path copy(const std::string& folder, const std::map<std::string, std::string>& splits) const {
    const fs::path data = folder_.path() / folder;
    fs::create_directories(data.parent_path());
    fs::copy(kTiny, data, fs::copy_options::recursive);
    std::string yaml = "name: tiny\nclasses: [awe, fear, calm, anger]\nsplits: {train: train.jsonl, single: single.jsonl";
    for (const auto& [name, lines] : splits) {
      yaml += fmt::format(", {0}: {0}.jsonl", name);
      write_text(data / (name + ".jsonl"), lines);
    }
    write_text(data / "dataset.yaml", yaml + "}\n");
    return data;
  }
};

// 16 samples in batches of 7 by one process: 14 are behind. Two processes take batches of 14 and leave a rest of two out, which
// begins there.
TEST_F(SharedRunTest, APlaceInARestThatIsLeftOutIsTheNextEpoch) {
  const std::string file = textcnn("epochs: 3");
  ASSERT_EQ(run("run", file, {"--set", "train.batch=7", "--set", "train.max_steps=2"}).code, 0);
  EXPECT_EQ(state("run").metadata.at("offset"), "14");
  const Result resumed = run("run", file, {"--set", "train.batch=7", "--resume", "--nproc", "2", "--set", "train.max_steps=40"});
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(state("run").metadata.at("step"), "4");
  EXPECT_EQ(state("run").metadata.at("epoch"), "3");
  EXPECT_EQ(steps("run", "train"), (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(steps("run", "val"), (std::vector<std::int64_t>{2, 3, 4}));  // the evaluation after step 2 once
}

TEST_F(SharedRunTest, AnEvaluationCountsSamplesThatTheProcessesDoNotDivide) {
  const std::string text = read_file(kTiny + "/train.jsonl");
  const fs::path data = copy("tiny", {{"odd", text.substr(0, text.rfind('\n', text.size() - 2) + 1)}});
  const std::string file = config("odd.yaml", fmt::format("task: textcnn\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {0}, "
                                                          "split: train}}, val: {{dataset: {0}, split: odd}}}}\n"
                                                          "optimizer: {{name: sgd, lr: 0.01}}\nmodel: {{dropout: 0}}\n"
                                                          "train: {{batch: 4, epochs: 1, sync_batch_norm: true}}\n",
                                                          data.string()));
  ASSERT_EQ(run("one", file, {"--set", "train.batch=8"}).code, 0);
  ASSERT_EQ(run("two", file, {"--nproc", "2"}).code, 0);
  const auto one = metrics("one", "val").at(0), two = metrics("two", "val").at(0);
  for (const char* name : {"loss", "top1", "mAP", "balanced_accuracy"})
    EXPECT_NEAR(one[name].get<double>(), two[name].get<double>(), 1e-5) << name;
  const auto json = nlohmann::json::parse(read_file(output("two") / "validation.json"));
  EXPECT_EQ(json["samples"], 15);
}

// The whole validation takes far longer than the timeout and what Gloo adds to it: the stop is told, the step saved at once.
TEST_F(SharedRunTest, ASignalToOneRankDuringAnEvaluationSaves) {
  std::string lines;
  for (int i = 0; i < 3000; ++i)  // the same picture with other boxes is another sample
    lines += fmt::format("{{\"image\": \"img/{:02}.png\", \"labels\": [\"awe\"], \"box\": [0, 0, {}, 1]}}\n", i % 16, 1 + i / 16);
  const fs::path data = copy("tiny", {{"long", lines}});
  const std::string file =
      config("long.yaml", fmt::format("task: classifier\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {0}, "
                                      "split: single}}, val: {{dataset: {0}, split: long}}, size: 224, "
                                      "workers: 1}}\nmodel: {{backbone: resnet18}}\n"
                                      "train: {{batch: 4, epochs: 1, max_steps: 1, log_every: 1, "
                                      "distributed_timeout: 10}}\n",
                                      data.string()));
  const pid_t launcher = start("run", file, {"--nproc", "2"});
  while (metrics("run", "train").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  expect_signal_in_evaluation_saves(launcher, "run");
}

TEST_F(SharedRunTest, JointAndThreeBranchesAreTrainedAndResumed) {
  for (const std::string head : {"joint", "three_branch"}) {
    const std::string file = config(
        head + ".yaml",
        fmt::format(
            "task: emotionnet\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, {1}size: 32, resize: 36, "
            "workers: 1}}\ntext: {{word2vec: {0}/word2vec.txt}}\nmodel: {{backbone: resnet18, head: {2}}}\n"
            "loss: {{soft_label: false}}\ntrain: {{batch: 5, epochs: 2, log_every: 1}}\n",
            kTiny, head == "joint" ? "" : fmt::format("extra: {{dataset: {}, split: single}}, ", kTiny), head));
    const auto run_here = [&](const std::string& name, bool resume, const Words& more) {
      Words settings{"output=" + output(name).string()};
      settings.insert(settings.end(), more.begin(), more.end());
      train(load_run_config(file, settings), resume);
    };
    run_here(head, false, {});
    // 16 samples in batches of 5 leave a rest of one out: three steps an epoch; stopped within the first and within the second.
    run_here(head + "_parts", false, {"train.max_steps=2"});
    run_here(head + "_parts", true, {"train.max_steps=4"});
    run_here(head + "_parts", true, {});
    expect_equal(model(head), model(head + "_parts"), 0);
    expect_equal(state(head), state(head + "_parts"), 0);
    const StateDict trained = model(head);
    EXPECT_EQ(trained.find("classifier.weight")->size(1), head == "joint" ? 300 : 512);
    EXPECT_EQ(trained.find("extra_classifier.weight") != nullptr, head == "three_branch");
    const auto line = metrics(head, "train").at(0);
    EXPECT_EQ(line.contains("loss_extra"), head == "three_branch");
    const double extra = head == "joint" ? 0 : line["loss_extra"].get<double>();
    EXPECT_NEAR(line["loss"].get<double>(), line["loss_class"].get<double>() + line["loss_embedding"].get<double>() + extra,
                1e-5);
  }
}

TEST_F(SharedRunTest, TwoProcessesTrainEmotionNetAsOne) {
  expect_same_step(
      config("emotionnet.yaml",
             fmt::format("task: emotionnet\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, size: "
                         "64, resize: 72, workers: 1}}\ntext: {{word2vec: {0}/word2vec.txt}}\n"
                         "model: {{backbone: resnet18}}\nloss: {{soft_label: false}}\n"
                         "optimizer: {{name: sgd, lr: 0.01, weight_decay: 0}}\n"
                         "train: {{batch: 3, max_steps: 1, log_every: 1, sync_batch_norm: true, "
                         "distributed_timeout: 60}}\n",
                         kTiny)),
      "6");
}

// Three pictures of the second data set: two for one process, one for the other, whose batch norms wait for each other.
TEST_F(SharedRunTest, AnUnevenSecondBatchIsUsedWholeByTwoProcesses) {
  const auto data = folder_.path() / "data";
  fs::copy(kTiny, data, fs::copy_options::recursive);
  write_text(data / "dataset.yaml",
             "name: tiny\nclasses: [awe, fear, calm, anger]\nsplits: {train: train.jsonl, extra: extra.jsonl}\n");
  std::string lines;
  for (const auto& [picture, label] : {std::pair{3, "awe"}, std::pair{8, "calm"}, std::pair{12, "awe"}})
    lines += fmt::format("{{\"image\": \"img/{:02}.png\", \"labels\": [\"{}\"]}}\n", picture, label);
  write_text(data / "extra.jsonl", lines);
  expect_same_step(
      config(
          "three.yaml",
          fmt::format("task: emotionnet\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, extra: "
                      "{{dataset: {0}, split: extra}}, size: 64, resize: 72, workers: 1}}\ntext: {{word2vec: {0}/word2vec.txt}}\n"
                      "model: {{backbone: resnet18, head: three_branch}}\nloss: {{soft_label: false}}\n"
                      "optimizer: {{name: sgd, lr: 0.01, weight_decay: 0}}\n"
                      "train: {{batch: 3, max_steps: 1, log_every: 1, sync_batch_norm: true, distributed_timeout: 20}}\n",
                      data.string())),
      "6");
}

TEST_F(SharedRunTest, TwoProcessesTrainOnFacesAsOne) {
  expect_same_step(config("expression.yaml",
                          fmt::format("task: expression\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: stimuli}}, "
                                      "picture: face, size: 44, resize: 48, workers: 1}}\nmodel: {{backbone: resnet18}}\n"
                                      "optimizer: {{name: sgd, lr: 0.01, weight_decay: 0}}\n"
                                      "train: {{batch: 4, max_steps: 1, log_every: 1, sync_batch_norm: true, "
                                      "distributed_timeout: 60}}\n",
                                      kTiny)),
                   "8");
}

class OtherFilesTest : public DifferentRanksTest {
 protected:
  /// Two folders `a` and `b` with the tiny data set, one for each rank to stand in.
  void SetUp() override {
    DifferentRanksTest::SetUp();
    for (const char* name : {"a", "b"}) {
      fs::create_directories(folder_.path() / name);
      fs::copy(kTiny, folder_.path() / name / "tiny", fs::copy_options::recursive);
    }
  }
  void expect_told(const std::string& yaml, const std::string& text) const {
    expect_refused(config("files.yaml", yaml + "train: {batch: 4, distributed_timeout: 30}\n"), {},
                   {{"PWD", (folder_.path() / "a").string()}}, {{"PWD", (folder_.path() / "b").string()}}, 3, text);
    fs::remove_all(output("run"));
  }
  void append(const std::string& file, const std::string& text) const {
    write_text(folder_.path() / "b" / file, read_file(folder_.path() / "a" / file) + text);
  }
};

TEST_F(OtherFilesTest, WordsAndTargetsAreCompared) {
  append("tiny/vocabulary.txt", "moon\n");
  expect_told(
      "task: textcnn\ndevice: cpu\ndata: {train: {dataset: tiny, split: train}}\ntext: {vocabulary: tiny/vocabulary.txt}\n",
      "text.vocabulary is not the same everywhere: tiny/vocabulary.txt \\(content [0-9a-f]+\\) on rank 0, .* on rank 1");
  append("tiny/word2vec.txt", "\n");
  expect_told(
      "task: emotionnet\ndevice: cpu\ndata: {train: {dataset: tiny, split: train}, size: 32}\n"
      "text: {word2vec: tiny/word2vec.txt}\nmodel: {backbone: resnet18}\nloss: {soft_label: false}\n",
      "text.word2vec is not the same everywhere: tiny/word2vec.txt ");
  write_text(folder_.path() / "a/classes.tsv", "awe\tgood\ncalm\tgood\nfear\tbad\nanger\tbad\n");
  append("classes.tsv", "# other\n");
  expect_told("task: textcnn\ndevice: cpu\ndata: {train: {dataset: tiny, split: train}, targets: classes.tsv}\n",
              "data.targets is not the same everywhere: classes.tsv ");
}

TEST_F(OtherFilesTest, AnnotationsAreCompared) {
  auto json = nlohmann::json::object({{"categories", {{{"id", 1}, {"name", "tree"}}}}, {"annotations", nlohmann::json::array()}});
  for (int i = 0; i < 16; ++i) {
    json["images"].push_back({{"id", i}, {"file_name", fmt::format("img/{:02}.png", i)}, {"width", 64}, {"height", 64}});
    json["annotations"].push_back({{"id", i}, {"image_id", i}, {"category_id", 1}, {"bbox", {8, 8, 32, 32}}});
  }
  write_text(folder_.path() / "a/tiny/annotations/single.json", json.dump());
  json["annotations"][3]["bbox"][0] = 9;
  write_text(folder_.path() / "b/tiny/annotations/single.json", json.dump());
  expect_told(
      "task: detector\ndevice: cpu\ndata: {train: {dataset: tiny, split: single}}\n"
      "model: {backbone: resnet18, detector: {min_size: 64, max_size: 64, channels: 8, head: 8, norm: batch}}\n",
      "the annotation file is not the same everywhere: .*single.json ");
}

TEST_F(DifferentRanksTest, AreToldBothNumbersOfProcesses) {
  expect_refused(textcnn(), {}, {}, {{"WORLD_SIZE", "3"}}, 2,
                 "the processes do not fit together: number of processes is 2 on rank 0 \\(.*\\), 3 on rank 1 \\(");
}

}  // namespace
}  // namespace emotion
