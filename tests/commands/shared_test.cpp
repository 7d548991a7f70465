#include <signal.h>

#include <chrono>
#include <thread>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/networks.h"
#include "../support/ranks.h"
#include "../support/scratch.h"
#include "emotion/data/manifest.h"
#include "emotion/data/synth.h"
#include "emotion/io/weights.h"
#include "emotion/model/image_classifier.h"
#include "emotion/random.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/text/word_vectors.h"

// Commands whose work several processes share (--nproc): what they make is what one makes, a stopped one goes on where it was,
// and a killed process is named.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SharedTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder;
    write_synth({.kind = "scenes", .out = root() / "scenes", .count = 40, .size = 48, .workers = 1});
    at::manual_seed(1);
    const ImageClassifier network("resnet18", 2);
    write_network(root() / "net.safetensors", *network,
                  {.task = "classifier",
                   .config = "task: classifier\nmodel: {backbone: resnet18}\ndata: {resize: 32, size: 32}\n",
                   .classes = {"a", "b"}});
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static const fs::path& root() { return folder_->path(); }
  static Process::Result run(const Words& words) { return command(root(), words); }
  static void copy(const std::string& name) { fs::copy(root() / "scenes", root() / name, fs::copy_options::recursive); }
  static at::Tensor features(const std::string& file) { return *read_safetensors(root() / file).find("features"); }
  /// Features as nothing computes them, in a piece that is otherwise as it was: they tell whether it is used.
  static void mark(const fs::path& piece) {
    const StateDict kept = read_safetensors(piece);
    StateDict marked;
    marked.metadata = kept.metadata;
    marked.add("features", *kept.find("features") + 1);
    write_safetensors(piece, marked);
  }

  static ScratchFolder* folder_;
};
ScratchFolder* SharedTest::folder_ = nullptr;

TEST_F(SharedTest, FeaturesOfTwoProcessesAreThoseOfOne) {
  const Words words{"emotion_extract", "--checkpoint", "net.safetensors", "--data", "scenes", "--batch", "4", "--out"};
  ASSERT_EQ(run(joined(words, {"one.safetensors"})).code, 0);
  const auto two = run(joined(words, {"two.safetensors", "--nproc", "2"}));
  ASSERT_EQ(two.code, 0) << two.errors;
  const at::Tensor one = features("one.safetensors");
  EXPECT_EQ(one.size(0), 32);
  EXPECT_TRUE(at::allclose(features("two.safetensors"), one, 1e-5, 1e-6));
  EXPECT_FALSE(fs::exists(root() / "two.safetensors.parts"));
  EXPECT_THAT(two.errors, HasSubstr("two.safetensors: features 32 x 512"));
}

TEST_F(SharedTest, FeaturesThatAreThereAreNotComputedAgain) {
  copy("broken");
  const Manifest manifest = Manifest::open(Dataset::open(root() / "broken"), "train");
  const fs::path picture = manifest.image_path(31).string(), kept = root() / "kept";
  fs::rename(picture, kept);
  write_text(picture, "no picture");
  fs::last_write_time(picture, fs::file_time_type::clock::now() - std::chrono::hours(1));
  const Words words{"emotion_extract", "--checkpoint",  "net.safetensors", "--data", "broken",  "--batch", "4",
                    "--out",           "f.safetensors", "--workers",       "1",      "--nproc", "2"};
  const auto first = run(words);
  EXPECT_EQ(first.code, 3);
  EXPECT_THAT(first.errors, HasSubstr(picture.filename().string()));
  EXPECT_FALSE(fs::exists(root() / "f.safetensors"));
  // Pieces of 8 rows: the last alone cannot be made.
  const fs::path piece = root() / "f.safetensors.parts/00000000.safetensors";
  for (const char* name : {"00000000", "00000001", "00000002"})
    EXPECT_TRUE(fs::exists(root() / fmt::format("f.safetensors.parts/{}.safetensors", name))) << name;
  const auto made = fs::last_write_time(piece);
  EXPECT_EQ(run(words).code, 3);
  EXPECT_EQ(fs::last_write_time(piece), made);

  // Another picture in its place is other data: all is made again, and right.
  mark(piece);
  fs::rename(kept, picture);
  ASSERT_EQ(run(words).code, 0);
  ASSERT_EQ(run({"emotion_extract", "--checkpoint", "net.safetensors", "--data", "broken", "--batch", "4", "--out",
                 "whole.safetensors"})
                .code,
            0);
  EXPECT_TRUE(at::allclose(features("f.safetensors"), features("whole.safetensors"), 1e-5, 1e-6));
}

TEST_F(SharedTest, FacesOfTwoProcessesAreThoseOfOne) {
  for (const char* name : {"faces1", "faces2"}) {
    fs::create_directories(root() / name);
    std::string lines;
    for (int i = 0; i < 5; ++i) {
      fs::copy_file(i == 3 ? fs::path(EMOTION_TEST_DATA) / "../data/fixtures/rgb.png"
                           : fs::path(EMOTION_TEST_DATA) / "../stimuli/fixtures/faces.png",
                    root() / name / fmt::format("{}.png", i));
      lines += fmt::format("{{\"image\": \"{}.png\", \"labels\": [\"awe\"]}}\n", i);
    }
    write_text(root() / name / "4.png", "no picture");
    write_text(root() / name / "all.jsonl", lines);
    write_text(root() / name / "dataset.yaml", "classes: [awe]\nsplits: {all: all.jsonl}\n");
  }
  const auto one = run({"emotion_data", "faces", "faces1"}), two = run({"emotion_data", "faces", "faces2", "--nproc", "2"});
  EXPECT_EQ(one.code, 3);
  EXPECT_EQ(two.code, 3);
  EXPECT_THAT(two.output, HasSubstr("all: 5 images, 3 with a face (60.0 %); 4 looked at now"));
  EXPECT_THAT(two.errors, HasSubstr("4.png"));
  EXPECT_EQ(read_file(root() / "faces2/all.jsonl"), read_file(root() / "faces1/all.jsonl"));
  EXPECT_EQ(read_file(root() / "faces2/faces/2.png.png"), read_file(root() / "faces1/faces/2.png.png"));
  EXPECT_FALSE(fs::exists(root() / "faces2/faces/all.found.1.jsonl"));

  // Killed while rank 1 wrote a line: its notes count, the torn one does not.
  const fs::path notes = root() / "faces2/faces/all.found.jsonl", other = root() / "faces2/faces/all.found.1.jsonl";
  const std::string text = read_file(notes);
  const std::size_t settings = text.find('\n') + 1, first = text.find('\n', settings) + 1;
  write_text(notes, text.substr(0, first));
  write_text(other, text.substr(0, settings) + text.substr(first, text.size() - first - 5));
  fs::remove(root() / "faces2/faces/0.png.png");
  const auto again = run({"emotion_data", "faces", "faces2"});
  EXPECT_THAT(again.output, HasSubstr("all: 5 images, 3 with a face (60.0 %); 2 looked at now"));
  EXPECT_TRUE(fs::exists(root() / "faces2/faces/0.png.png"));
  EXPECT_FALSE(fs::exists(other));
  EXPECT_EQ(read_file(root() / "faces2/all.jsonl"), read_file(root() / "faces1/all.jsonl"));
}

TEST_F(SharedTest, RegionsOfTwoProcessesAreThoseOfOne) {
  copy("regions1");
  copy("regions2");
  write_text(root() / "detector.yaml",
             "task: detector\nseed: 1\ndevice: cpu\noutput: detector\ndata: {train: {dataset: scenes, split: train}}\n"
             "model: {backbone: resnet18, detector: {min_size: 48, max_size: 48, channels: 16, head: 32, norm: batch}}\n"
             "train: {batch: 2, max_steps: 1}\n");
  const auto trained = run({"emotion_train", "--config", "detector.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  const auto one = run({"emotion_data", "regions", "regions1", "--checkpoint", "detector", "--top", "3"});
  const auto two = run({"emotion_data", "regions", "regions2", "--checkpoint", "detector", "--top", "3", "--nproc", "2"});
  ASSERT_EQ(one.code, 0) << one.errors;
  ASSERT_EQ(two.code, 0) << two.errors;
  EXPECT_THAT(two.output, HasSubstr("train: 32 images; 32 looked at now"));
  for (const char* split : {"train", "val", "test"})
    EXPECT_EQ(read_file(root() / fmt::format("regions2/{}.jsonl", split)),
              read_file(root() / fmt::format("regions1/{}.jsonl", split)));
  const Manifest manifest = Manifest::open(Dataset::open(root() / "regions1"), "train");
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const auto a = read_region_file(root() / "regions1" / manifest[i].regions);
    const auto b = read_region_file(root() / "regions2" / manifest[i].regions);
    ASSERT_EQ(a.boxes.sizes(), b.boxes.sizes());
    EXPECT_TRUE(at::allclose(a.boxes, b.boxes, 1e-4, 1e-3));
    EXPECT_TRUE(at::allclose(a.scores, b.scores, 1e-4, 1e-5));
  }
  EXPECT_THAT(run({"emotion_data", "regions", "regions2", "--checkpoint", "detector", "--top", "3", "--nproc", "3"}).output,
              HasSubstr("train: 32 images; 0 looked at now"));
}

// Three processes share the two batches of the validation: one has none. emotion_eval measures the same weights by itself.
TEST_F(SharedTest, ADetectorsFiguresOfThreeProcessesAreThoseOfOne) {
  copy("things");  // of one class: it is soon found now and then
  for (const char* split : {"train", "val"}) {
    const fs::path file = root() / fmt::format("things/annotations/{}.json", split);
    auto json = nlohmann::json::parse(read_file(file));
    json["categories"] = {{{"id", 1}, {"name", "thing"}}};
    for (auto& annotation : json["annotations"]) annotation["category_id"] = 1;
    write_text(file, json.dump());
  }
  write_text(root() / "figures.yaml",
             "task: detector\nseed: 1\ndevice: cpu\noutput: figures\ndata: {train: {dataset: things, split: train}, val: "
             "{dataset: things, split: val}}\nmodel: {backbone: resnet18, detector: {min_size: 96, max_size: 96, anchor_size: 8, "
             "channels: 16, head: 32, norm: batch, score_threshold: 0}}\noptimizer: {name: adamw, lr: 1.0e-3}\n"
             "train: {batch: 2, epochs: 2}\n");
  const auto trained = run({"emotion_train", "--config", "figures.yaml", "--nproc", "3"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  const auto alone = run({"emotion_eval", "--checkpoint", "figures/checkpoints/last/model.safetensors", "--data", "things",
                          "--split", "val", "--batch", "2", "--device", "cpu", "--output", "alone"});
  ASSERT_EQ(alone.code, 0) << alone.errors;
  std::ifstream lines(root() / "figures/metrics.jsonl");
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) {
    if (auto json = nlohmann::json::parse(line); json["split"] == "val") last = std::move(json);
  }
  const auto figures = nlohmann::json::parse(read_file(root() / "alone/metrics.json"));
  EXPECT_EQ(figures["samples"], 4);
  EXPECT_GT(figures["AP"], 0);
  for (const char* name : {"AP", "AP50", "AP75", "AR1", "AR10", "AR100"}) EXPECT_EQ(last.at(name), figures.at(name)) << name;
}

// The other has twenty times the timeout left to do, in threads of its own.
TEST_F(SharedTest, AHaltedProcessIsNamedInTheMiddleOfTheOthersShare) {
  std::string lines;
  fs::create_directories(root() / "halted/img");
  write_synth({.kind = "affect", .out = root() / "large", .count = 40, .size = 640, .workers = 1});
  std::vector<fs::path> pictures;
  for (const auto& entry : fs::recursive_directory_iterator(root() / "large"))
    if (entry.path().extension() == ".jpg" || entry.path().extension() == ".png") pictures.push_back(entry.path());
  ASSERT_FALSE(pictures.empty());
  for (int i = 0; i < 1000; ++i) {
    const std::string name = fmt::format("img/{}{}", i, pictures[0].extension().string());
    fs::create_hard_link(pictures[static_cast<std::size_t>(i) % pictures.size()], root() / "halted" / name);
    lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"awe\"]}}\n", name);
  }
  write_text(root() / "halted/all.jsonl", lines);
  write_text(root() / "halted/dataset.yaml", "classes: [awe]\nsplits: {all: all.jsonl}\n");
  const Process process(root(),
                        command_words({"emotion_data", "faces", "halted", "--nproc", "2", "--timeout", "3", "--workers", "1"}));
  while (!fs::exists(root() / "halted/faces/all.found.1.jsonl")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto both = ranks(process.pid());
  ASSERT_EQ(both.size(), 2U);
  ::kill(both[1], SIGSTOP);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors,
              HasSubstr(fmt::format("process {}) was killed, hangs or lost its network: no sign of it for", both[1])));
  EXPECT_THAT(result.errors, HasSubstr("the same command goes on where it stopped"));
  EXPECT_TRUE(fs::exists(root() / "halted/faces/all.found.jsonl"));  // what rank 0 had found by then, and no list of the whole
  EXPECT_EQ(read_file(root() / "halted/all.jsonl"), lines);
}

// Processes of any number go on from the pieces that are there.
TEST_F(SharedTest, AKilledProcessIsNamedAndTheOthersStop) {
  const auto words = [](const std::string& out, const std::string& processes) {
    return Words{"emotion_extract",
                 "--checkpoint",
                 "net.safetensors",
                 "--data",
                 "scenes",
                 "--batch",
                 "1",
                 "--out",
                 out,
                 "--timeout",
                 "3",
                 "--nproc",
                 processes,
                 "--set",
                 "data.resize=256",
                 "--set",
                 "data.size=224"};
  };
  const fs::path parts = root() / "k.safetensors.parts", piece = parts / "00000001.safetensors";
  const Process process(root(), command_words(words("k.safetensors", "2")));
  // Its children are the ranks; rank 1 dies once a piece is there.
  while (!fs::exists(piece)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto both = ranks(process.pid());
  ASSERT_EQ(both.size(), 2U);
  ::kill(both[1], SIGKILL);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors,
              HasSubstr(fmt::format("rank 1 (process {}) was killed by signal 9 (Killed); the same command goes on "
                                    "where it stopped",
                                    both[1])));

  ASSERT_EQ(run(words("unbroken.safetensors", "1")).code, 0);
  at::Tensor expected = features("unbroken.safetensors").clone();
  ASSERT_EQ(expected.size(0), 32);
  expected.narrow(0, 2, 2).add_(1);
  mark(piece);
  fs::copy(parts, root() / "left", fs::copy_options::recursive);
  for (const char* processes : {"3", "1"}) {
    fs::remove_all(parts);
    fs::copy(root() / "left", parts, fs::copy_options::recursive);
    const auto again = run(words("k.safetensors", processes));
    ASSERT_EQ(again.code, 0) << again.errors;
    EXPECT_TRUE(at::allclose(features("k.safetensors"), expected, 1e-5, 1e-6)) << processes;
  }
}

// They have no handler yet: what ends them is the SIGTERM that the launching process passes on.
TEST_F(SharedTest, ASignalWhileProcessesStartIsAnInterruption) {
  const Process process(root(), command_words({"emotion_extract", "--checkpoint", "net.safetensors", "--data", "scenes", "--out",
                                               "early.safetensors", "--nproc", "2"}));
  while (ranks(process.pid()).size() < 2) std::this_thread::sleep_for(std::chrono::microseconds(100));
  process.send(SIGINT);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_EQ(result.errors, "interrupted while the processes were starting; the same command goes on where it stopped\n");
  EXPECT_FALSE(fs::exists(root() / "early.safetensors"));
}

TEST_F(SharedTest, WordVectorsOfTwoProcesses) {
  std::string lines;  // ten topics of eight words
  Random random{4};
  for (int i = 0; i < 1500; ++i) {
    const std::uint64_t topic = random.below(10);
    lines += fmt::format("{{\"image\": \"{}.png\", \"keywords\": [", i);
    for (int w = 0; w < 6; ++w) lines += fmt::format("{}\"t{}w{}\"", w ? "," : "", topic, random.below(8));
    lines += "]}\n";
  }
  write_text(root() / "words/all.jsonl", lines);
  write_text(root() / "words/dataset.yaml", "classes: [awe]\nsplits: {all: all.jsonl}\n");
  const Words words{"emotion_text", "word2vec",  "--data", "words",       "--split", "all",     "--dimension", "16",   "--epochs",
                    "30",           "--threads", "1",      "--subsample", "0",       "--nproc", "2",           "--out"};
  for (const char* out : {"a.bin", "b.bin"}) {
    const auto result = run(joined(words, {out}));
    ASSERT_EQ(result.code, 0) << result.errors;
  }
  EXPECT_EQ(read_file(root() / "a.bin"), read_file(root() / "b.bin"));
  const WordVectors vectors = WordVectors::open(root() / "a.bin");
  int right = 0;
  std::vector<float> row(32);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    vectors.copy(i, row);
    const std::size_t self[] = {i};
    for (const auto& [other, score] : vectors.nearest(row, 5, self)) right += vectors.word(other)[1] == vectors.word(i)[1];
  }
  EXPECT_GT(right, 0.9 * 5 * static_cast<double>(vectors.size()));
}

}  // namespace
}  // namespace emotion
