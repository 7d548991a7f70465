#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/formula_weights.h"
#include "distributed_support.h"
#include "emotion/model/image_classifier.h"
#include "emotion/text/textcnn.h"

// Several processes of the command itself: what they compute together, and what they do when one of them fails.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

TEST_F(DistributedTest, TwoProcessesFollowOneOfTwiceTheBatch) {
  const std::string file = textcnn();
  ASSERT_EQ(run("one", file, {"--set", "train.batch=8"}).code, 0);
  const Result two = run("two", file, {"--nproc", "2"});
  ASSERT_EQ(two.code, 0) << two.errors;
  expect_equal(model("one"), model("two"), 1e-6);
  const auto one_train = metrics("one", "train"), two_train = metrics("two", "train");
  ASSERT_EQ(one_train.size(), 10U);
  ASSERT_EQ(two_train.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(one_train[i]["loss"].get<double>(), two_train[i]["loss"].get<double>(), 1e-5);
  EXPECT_EQ(metrics("one", "val").back()["top1"], metrics("two", "val").back()["top1"]);
  EXPECT_NEAR(metrics("one", "val").back()["mAP"].get<double>(), metrics("two", "val").back()["mAP"].get<double>(), 1e-9);
}

// One step of batches of 6, 6 and 4 samples. A ReLU that falls to the other side for a last bit moves a gradient by about 1 %, a
// wrong weight of a rank or a batch by a third and more.
TEST_F(DistributedTest, SoDoesAResNetWithAnUnevenLastBatchAndAccumulation) {
  const std::string file =
      config("resnet.yaml", fmt::format("task: classifier\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: single}}, "
                                        "size: 64, resize: 72, workers: 1}}\nmodel: {{backbone: resnet18}}\n"
                                        "optimizer: {{name: sgd, lr: 0.01, weight_decay: 0}}\n"
                                        "train: {{batch: 3, accumulate: 3, max_steps: 1, log_every: 1, sync_batch_norm: true, "
                                        "distributed_timeout: 60}}\n",
                                        kTiny));
  expect_same_step(file, "6");
}

// Samples of awe weigh little, and all those of rank 1 are of it: a mean of the two ranks' own weighted means is far off.
TEST_F(DistributedTest, WeightsOfClassesAreSummedOverAllProcesses) {
  fs::copy(kTiny, folder_.path() / "tiny", fs::copy_options::recursive);
  std::string lines;
  for (int i = 0; i < 16; ++i)
    lines +=
        fmt::format("{{\"image\": \"img/{:02}.png\", \"labels\": [\"{}\"]}}\n", i,
                    i % 2 == 1 ? "awe" : std::vector<std::string>{"fear", "calm", "anger"}[static_cast<std::size_t>(i / 2 % 3)]);
  write_text(folder_.path() / "tiny/single.jsonl", lines);
  const std::string file = config(
      "weights.yaml", fmt::format("task: classifier\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: single}}, "
                                  "size: 32, resize: 36, shuffle: false, workers: 1}}\nmodel: {{backbone: resnet18}}\n"
                                  "loss: {{class_weights: balanced}}\noptimizer: {{name: sgd, lr: 0.01, weight_decay: 0}}\n"
                                  "train: {{batch: 3, accumulate: 3, max_steps: 1, log_every: 1, sync_batch_norm: true, "
                                  "distributed_timeout: 60}}\n",
                                  (folder_.path() / "tiny").string()));
  expect_same_step(file, "6");
}

// Faces in the first step alone. Weight decay and the moments of Adam would go on moving the Expression-Net in the two others,
// each time about as far as the first did; Adam's first step is the sign of a gradient, which rounding turns where that is nearly
// 0.
TEST_F(DistributedTest, AStepWithoutAnyFaceLeavesTheExpressionNetAsItIs) {
  const fs::path data = folder_.path() / "tiny";
  fs::copy(kTiny, data, fs::copy_options::recursive);
  std::string lines;
  const std::vector<std::string> faces{"00", "02", "03", "05"}, labels{"awe", "fear", "calm", "anger"};
  for (std::size_t i = 0; i < 12; ++i) {
    const std::string face = i < faces.size() ? fmt::format(", \"face\": \"faces/{}.png\"", faces[i]) : "";
    lines += fmt::format("{{\"image\": \"img/{:02}.png\", \"labels\": [\"{}\"]{}}}\n", i, labels[i % 4], face);
  }
  write_text(data / "single.jsonl", lines);
  const std::string file = config(
      "faces.yaml", fmt::format("task: stimuli\nseed: 4\ndevice: cpu\ndata: {{train: {{dataset: {}, split: single}}, "
                                "shuffle: false}}\nmodel: {{branches: [expression]}}\n"
                                "optimizer: {{name: adam, lr: 1.0e-3, weight_decay: 0.1}}\nschedule: {{name: constant}}\n"
                                "train: {{batch: 2, epochs: 1, log_every: 1, sync_batch_norm: true, distributed_timeout: 60}}\n",
                                data.string()));
  ASSERT_EQ(run("one", file, {"--set", "train.batch=4"}).code, 0);
  const Result result = run("two", file, {"--nproc", "2"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const at::NoGradGuard no_grad;
  const StateDict before = first_weights(file), one = model("one"), two = model("two"), states = state("two");
  for (const auto& [name, tensor] : one.entries) {
    if (!name.starts_with("expression.") || tensor.dim() < 2) continue;
    const double update = (tensor - *before.find(name)).norm().item<double>();
    EXPECT_GT(update, 1e-4) << name;
    EXPECT_LT((tensor - *two.find(name)).norm().item<double>(), 0.5 * update) << name;
    EXPECT_EQ(states.find("optimizer.step." + name)->item<float>(), 1) << name;
  }
  EXPECT_EQ(states.find("optimizer.step.classifier.weight")->item<float>(), 3);
}

// Rank 0's running statistics, gradients averaged over ranks: tests/reference/make_distributed_goldens.py.
TEST_F(DistributedTest, FollowsPythonsDistributedDataParallel) {
  TextCNN network(TextCNNOptions{.vocabulary = 10, .classes = 4});
  fill_by_formula(*network);
  const std::string file = config(
      "ddp.yaml", fmt::format("task: textcnn\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: train}}, shuffle: false}}\n"
                              "text: {{vocabulary: {0}/vocabulary.txt, max_keywords: 12}}\nmodel: {{dropout: 0, init: {1}}}\n"
                              "loss: {{hard_target: mean}}\noptimizer: {{name: sgd, lr: 0.01, weight_decay: 1.0e-4}}\n"
                              "schedule: {{name: constant}}\ntrain: {{batch: 4, epochs: 5, log_every: 1}}\n",
                              kTiny, write_init(*network)));
  const Result result = run("ddp", file, {"--nproc", "2"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const auto expected = nlohmann::json::parse(read_file(kFixtures + "/ddp_steps.json"));
  const auto lines = metrics("ddp", "train");
  ASSERT_EQ(lines.size(), expected["losses"].size());
  for (std::size_t i = 0; i < lines.size(); ++i)
    EXPECT_NEAR(lines[i]["loss"].get<double>(), expected["losses"][i].get<double>(), 1e-5) << i;
  const StateDict trained = model("ddp");
  ASSERT_EQ(trained.entries.size(), expected["state"].size());
  for (const auto& [name, tensor] : trained.entries) compare(name, tensor, expected["state"].at(name));
}

class FacelessRankTest : public DistributedTest {
 protected:
  /// Both faces of the batch of four are rank 0's.
  std::string faces_of_rank_0(const std::string& branches, const std::string& sync_batch_norm) const {
    fs::copy(kTiny, folder_.path() / "tiny", fs::copy_options::recursive);
    std::string lines;
    for (int i = 0; i < 4; ++i)
      lines += fmt::format("{{\"image\": \"img/{0:02}.png\", \"labels\": [\"{1}\"]{2}}}\n", i, i < 2 ? "awe" : "fear",
                           i % 2 == 0 ? fmt::format(", \"face\": \"faces/{:02}.png\"", i) : "");
    write_text(folder_.path() / "tiny/stimuli.jsonl", lines);
    return config("faces.yaml",
                  fmt::format("task: stimuli\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {}, split: stimuli}}, size: 32, "
                              "resize: 36, shuffle: false, workers: 1}}\nmodel: {{backbone: resnet18, branches: [{}]}}\n"
                              "optimizer: {{name: sgd, lr: 0.1, weight_decay: 0}}\ntrain: {{batch: 2, max_steps: 1, "
                              "log_every: 1, sync_batch_norm: {}, distributed_timeout: 60}}\n",
                              (folder_.path() / "tiny").string(), branches, sync_batch_norm));
  }
};

TEST_F(FacelessRankTest, TakesTheSameStep) { expect_same_step(faces_of_rank_0("global, expression", "true"), "4"); }

// Without shared statistics, rank 0 alone has some of faces: those of the batch of four.
TEST_F(FacelessRankTest, NeedsNoSharedStatistics) { expect_same_step(faces_of_rank_0("expression", "false"), "4"); }

TEST_F(DistributedTest, ARunWithAKilledRankIsResumedToTheSameWeights) {
  const std::string file = textcnn("epochs: 40", 0.5);
  ASSERT_EQ(run("whole", file, {"--nproc", "2"}).code, 0);
  const pid_t launcher = start("killed", file, {"--nproc", "2"});
  wait_for_checkpoint("killed");
  const auto both = ranks(launcher);
  ASSERT_EQ(both.size(), 2U);
  ::kill(both[1], SIGKILL);
  const Result stopped = wait(launcher, "killed");
  EXPECT_EQ(stopped.code, 1);
  EXPECT_THAT(stopped.errors,
              HasSubstr(fmt::format(
                  "rank 1 (process {}) was killed by signal 9 (Killed); --resume goes on from the last checkpoint\n", both[1])));
  const Result resumed = run("killed", file, {"--nproc", "2", "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  expect_equal(model("whole"), model("killed"), 0);
  expect_equal(state("whole"), state("killed"), 0);
}

// A death may bring on that of others, of lower ranks too.
TEST_F(DistributedTest, TheFirstOfSeveralKilledRanksIsNamed) {
  const pid_t launcher = start("run", textcnn("epochs: 1000000"), {"--nproc", "2", "--log-level", "warning"});
  wait_for_checkpoint("run");
  const auto both = ranks(launcher);
  ASSERT_EQ(both.size(), 2U);
  ::kill(both[0], SIGSTOP);
  ::kill(both[1], SIGKILL);
  while (ranks(launcher).size() == 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(both[0], SIGKILL);
  const Result stopped = wait(launcher, "run");
  EXPECT_EQ(stopped.code, 1);
  EXPECT_THAT(stopped.errors, HasSubstr(fmt::format("rank 1 (process {}) was killed by signal 9 (Killed); ", both[1])));
}

TEST_F(DistributedTest, ARankThatHangsIsNamed) {
  const pid_t launcher = start("run", textcnn("epochs: 1000000"),
                               {"--nproc", "2", "--log-level", "warning", "--set", "train.distributed_timeout=3"});
  wait_for_checkpoint("run");
  expect_halted_rank_named(launcher, "run", "[0-9]+");
}

TEST_F(DistributedTest, ASignalToOneRankSavesAndStopsAll) {
  // Nothing but the signal saves a step within an epoch.
  const pid_t launcher =
      start("run", textcnn("epochs: 1000000"),
            {"--nproc", "2", "--log-level", "warning", "--set", "train.batch=2", "--set", "checkpoint.every_minutes=0"});
  while (metrics("run", "train").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto both = ranks(launcher);
  ASSERT_EQ(both.size(), 2U);
  ::kill(both[1], SIGTERM);
  const Result stopped = wait(launcher, "run");
  EXPECT_EQ(stopped.code, 130);
  EXPECT_THAT(stopped.errors,
              ContainsRegex(fmt::format("(^|\n)interrupted after step {}; saved, go on with: .* --resume --nproc 2\n$",
                                        state("run").metadata.at("step"))));
}

TEST_F(DistributedTest, AnotherNumberOfProcessesGoesOnAtTheSameSample) {
  const std::string file = textcnn("epochs: 2");
  ASSERT_EQ(run("run", file, {"--nproc", "2", "--set", "train.max_steps=1"}).code, 0);
  EXPECT_EQ(state("run").metadata.at("offset"), "8");
  // Half of the 16 samples are left: two steps of 4 by one process, and then the second epoch.
  const Result alone = run("run", file, {"--resume", "--set", "train.max_steps=3"});
  ASSERT_EQ(alone.code, 0) << alone.errors;
  EXPECT_THAT(alone.errors,
              HasSubstr("the run had 2 processes and has 1: a step was of 8 samples and is of 4; --nproc 2 goes on as "
                        "before\n"));
  EXPECT_EQ(state("run").metadata.at("epoch"), "1");
  EXPECT_EQ(state("run").metadata.at("offset"), "0");
  ASSERT_EQ(run("run", file, {"--resume", "--nproc", "2"}).code, 0);
  EXPECT_EQ(state("run").metadata.at("step"), "5");
  EXPECT_EQ(state("run").metadata.at("epoch"), "2");
}

TEST_F(DistributedTest, PlacesThatDoNotFitAreOneLine) {
  const std::string file = textcnn();
  const auto fails = [&](Variables variables, int code, const std::string& text, const Words& more = {}) {
    const Result result = run("bad", file, more, variables);
    EXPECT_EQ(result.code, code) << result.errors;
    EXPECT_THAT(result.errors, HasSubstr(text));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    EXPECT_FALSE(fs::exists(output("bad")));
  };
  fails({{"RANK", "2"}, {"WORLD_SIZE", "2"}}, 2, "RANK is 2, and WORLD_SIZE 2: ranks go from 0 to 1\n");
  fails({{"WORLD_SIZE", "2"}}, 2, "RANK is not set, and WORLD_SIZE is; start the processes with torchrun or --nproc\n");
  fails({{"RANK", "x"}, {"WORLD_SIZE", "2"}}, 2, "RANK is 'x'; an integer from 0 to ");
  fails({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "nowhere.invalid"}, {"MASTER_PORT", "29500"}}, 2,
        "MASTER_ADDR 'nowhere.invalid' cannot be resolved: ");
  fails(place(0, 2, 29500), 2, "--nproc 2 starts processes itself, and the environment says this one is rank 0 of 2; ",
        {"--nproc", "2"});
  const int port = free_port();
  fails(place(0, 2, port), 1, fmt::format("rank 1 of 2 did not come to 127.0.0.1:{} within 2 s\n", port),
        {"--log-level", "warning", "--set", "train.distributed_timeout=2"});
  fails(place(1, 2, port), 1, fmt::format("127.0.0.1:{} does not answer for 2 s; is rank 0 running", port),
        {"--set", "train.distributed_timeout=2"});
}

TEST_F(DistributedTest, APortInUseIsNamed) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(socket, 1), 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  const int port = ntohs(address.sin_port);
  const Result result = run("run", textcnn(), {"--log-level", "warning"}, place(0, 2, port));
  ::close(socket);
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.errors,
            fmt::format("MASTER_PORT {}: Address already in use; set MASTER_PORT to a free one, the same for all ranks\n", port));
}

TEST_F(DifferentRanksTest, AreToldBothValues) {
  expect_refused(textcnn(), {"--set", "optimizer.lr=0.5"}, {}, {}, 2,
                 "the processes do not fit together: optimizer.lr is 0.01 on rank 0 \\(.*\\), 0.5 on rank 1 \\(");
}

TEST_F(DifferentRanksTest, AreToldBothDataSets) {
  for (const char* name : {"a", "b"}) {
    fs::create_directories(folder_.path() / name);
    fs::copy(kTiny, folder_.path() / name / "tiny", fs::copy_options::recursive);
  }
  const std::string text = read_file(kTiny + "/train.jsonl");
  write_text(folder_.path() / "b/tiny/train.jsonl", text.substr(0, text.rfind('\n', text.size() - 2) + 1));
  const std::string file = config("data.yaml",
                                  "task: textcnn\ndevice: cpu\ndata: {train: {dataset: tiny, split: train}}\n"
                                  "train: {batch: 4, distributed_timeout: 30}\n");
  expect_refused(file, {}, {{"PWD", (folder_.path() / "a").string()}}, {{"PWD", (folder_.path() / "b").string()}}, 3,
                 "the training data is not the same everywhere: 16 samples .* on rank 0, 15 samples .* on rank 1");
}

}  // namespace
}  // namespace emotion
