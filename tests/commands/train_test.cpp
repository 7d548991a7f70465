#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <chrono>
#include <thread>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"
#include "emotion/data/synth.h"
#include "emotion/data/transform.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/progress.h"

// emotion_train as it is called: what its page shows beside the trainer's own files, and what it prints.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class TrainCommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder;
    write_synth({.kind = "people", .out = root() / "people", .count = 120, .size = 32, .workers = 1});
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static const fs::path& root() { return folder_->path(); }

  static void write_config(const std::string& name, const std::string& more) {
    write_text(root() / (name + ".yaml"),
               fmt::format("seed: 1\ndevice: cpu\noutput: {}\n{}\ntrain: {{batch: 16, epochs: 2, max_steps: 2}}\n", name, more));
  }
  static std::string data(const std::string& more) {
    return "data: {train: {dataset: people, split: train}, val: {dataset: people, split: val}, resize: 28, size: 24, workers: 1" +
           more + "}";
  }
  static Process::Result run(const Words& words) { return command(root(), words); }
  static Json json(const std::string& name) { return Json::parse(read_file(root() / name)); }

  /// The page's map and strips hold these samples of the validation split, and every strip the pictures of largest cosine among
  /// the features that emotion_extract gives.
  static void check_page(const std::string& name, const std::vector<std::uint64_t>& samples) {
    const Json features = json(name + "/features.json");
    const Manifest manifest = Manifest::open(Dataset::open(root() / "people"), "val");
    ASSERT_EQ(features["images"].size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) EXPECT_EQ(features["images"][i], manifest[samples[i]].image);
    EXPECT_EQ(features["principal"].size(), samples.size());
    EXPECT_EQ(features["classes"].size(), samples.size());
    const auto extracted =
        run({"emotion_extract", "--checkpoint", name, "--data", "people", "--split", "val", "--out", "f.safetensors"});
    ASSERT_EQ(extracted.code, 0) << extracted.errors;
    const at::Tensor rows = *read_safetensors(root() / "f.safetensors").find("features");
    const at::Tensor unit = rows / rows.norm(2, {1}, true), cosine = unit.matmul(unit.t());
    ASSERT_EQ(features["nearest"].size(), std::min<std::size_t>(5, samples.size()));
    for (const Json& strip : features["nearest"]) {
      ASSERT_EQ(strip["rows"].size(), std::min<std::size_t>(6, samples.size() - 1));
      const auto query = strip["query"].get<std::int64_t>();
      at::Tensor others = cosine[query].clone();
      others[query] = -2;
      const at::Tensor best = others.argsort(0, /*descending=*/true);
      for (std::size_t i = 0; i < strip["rows"].size(); ++i)  // by value: rows may have equal cosines
        EXPECT_NEAR(others[strip["rows"][i].get<std::int64_t>()].item<double>(),
                    others[best[static_cast<std::int64_t>(i)].item<std::int64_t>()].item<double>(), 1e-5);
    }
    const std::string page = read_file(root() / name / "report.html");
    EXPECT_THAT(page, HasSubstr("<h2>Nearest pictures</h2>"));
    EXPECT_THAT(page, HasSubstr("<h2>Map of the features</h2>"));
  }

  static ScratchFolder* folder_;
};
ScratchFolder* TrainCommandTest::folder_ = nullptr;

TEST_F(TrainCommandTest, AStimuliRunsPageShowsNearestPicturesAMapAndWhereTheTimeWent) {
  write_config("stimuli",
               "task: stimuli\n" + data("") + "\nmodel: {backbone: resnet18, semantic: {regions: 2, steps: 1, attention: 4}}");
  const auto trained = run({"emotion_train", "--config", "stimuli.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  std::vector<std::uint64_t> all(12);  // a tenth of 120
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  check_page("stimuli", all);

  const Json times = json("stimuli/times.json");
  const double evaluation = times["evaluation"], checkpoints = times["checkpoints"], whole = times["seconds"];
  EXPECT_GT(evaluation, 0);
  EXPECT_GT(checkpoints, 0);
  EXPECT_LT(evaluation + checkpoints, whole);
  // What a resumed run spends comes on top.
  ASSERT_EQ(run({"emotion_train", "--config", "stimuli.yaml", "--resume"}).code, 0);
  EXPECT_GT(json("stimuli/times.json")["seconds"], whole);
  EXPECT_GE(json("stimuli/times.json")["evaluation"], evaluation);
  EXPECT_GE(json("stimuli/times.json")["checkpoints"], checkpoints);
}

TEST_F(TrainCommandTest, ARunOnFacesShowsThePicturesThatHaveOne) {
  write_config("faces", "task: expression\n" + data(", picture: face") + "\nmodel: {backbone: resnet18}");
  const auto trained = run({"emotion_train", "--config", "faces.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  const Manifest manifest = Manifest::open(Dataset::open(root() / "people"), "val");
  std::vector<std::uint64_t> with_face;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (!manifest[i].face.empty()) with_face.push_back(i);
  }
  ASSERT_LT(with_face.size(), manifest.size());
  check_page("faces", with_face);
}

// The numbers and the page are of the samples that are trained on, counted here from the split's own lines.
TEST_F(TrainCommandTest, TheDataOfARunAreThoseItUses) {
  write_config("part", "task: classifier\n" + data(", picture: face, fraction: 0.25") + "\nmodel: {backbone: resnet18}");
  const auto trained = run({"emotion_train", "--config", "part.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  const Manifest train = Manifest::open(Dataset::open(root() / "people"), "train"),
                 val = Manifest::open(Dataset::open(root() / "people"), "val");
  const auto faces = [](const Manifest& manifest) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < manifest.size(); ++i) count += !manifest[i].face.empty();
    return count;
  };
  const auto part = static_cast<std::size_t>(std::llround(0.25 * static_cast<double>(faces(train))));
  const Json summary = json("part/data.json");
  EXPECT_EQ(summary["train"]["samples"], part);
  EXPECT_EQ(summary["train"]["of"], train.size());
  EXPECT_EQ(summary["train"]["faces"], part);
  std::size_t labels = 0;
  for (const auto& count : summary["train"]["classes"]) labels += count.get<std::size_t>();
  EXPECT_EQ(labels, part) << "one label a picture";
  EXPECT_EQ(summary["val"]["samples"], faces(val));
  EXPECT_EQ(summary["val"]["of"], val.size());
  EXPECT_THAT(trained.errors, HasSubstr(fmt::format("classifier: {} of {} training samples, ", part, train.size())));
  EXPECT_THAT(read_file(root() / "part/report.html"), HasSubstr(fmt::format("{} of {}</td>", part, train.size())));
}

// Of three samples one has no keyword but the name of a class.
TEST_F(TrainCommandTest, SamplesThatATaskLeavesOutAreNoDataOfTheRun) {
  write_text(root() / "lists/dataset.yaml", "classes: [awe, fear]\nsplits: {train: all.jsonl}\n");
  write_text(root() / "lists/all.jsonl",
             "{\"image\": \"0.png\", \"labels\": [\"awe\"], \"keywords\": [\"sea\", \"sky\"]}\n"
             "{\"image\": \"1.png\", \"labels\": [\"fear\"], \"keywords\": [\"fear\"]}\n"
             "{\"image\": \"2.png\", \"labels\": [\"fear\"], \"keywords\": [\"dark\"]}\n");
  write_config(
      "left-out",
      "task: textcnn\ndata: {train: {dataset: lists, split: train}, val: {dataset: lists, split: train}, on_error: skip}");
  const auto trained = run({"emotion_train", "--config", "left-out.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  for (const char* split : {"train", "val"}) {
    const Json summary = json("left-out/data.json")[split];
    EXPECT_EQ(summary["samples"], 2) << split;
    EXPECT_EQ(summary["of"], 3) << split;
    EXPECT_EQ(summary["keywords"], 3) << split;
    EXPECT_EQ(summary["classes"]["fear"], 1) << split;
  }
}

TEST_F(TrainCommandTest, PrintsItsConfigAndEveryKeyAndRunsNothing) {
  write_config("printed", "task: classifier\n" + data(""));
  const auto printed = run({"emotion_train", "--config", "printed.yaml", "--set", "train.epochs=7", "--print-config"});
  EXPECT_EQ(printed.code, 0) << printed.errors;
  EXPECT_EQ(printed.output, print_run_config(load_run_config(root() / "printed.yaml", {"train.epochs=7"})));
  EXPECT_THAT(printed.output, HasSubstr("  epochs: 7\n"));
  // What is printed is a whole config: it prints as itself.
  write_text(root() / "again.yaml", printed.output);
  EXPECT_EQ(run({"emotion_train", "--config", "again.yaml", "--print-config"}).output, printed.output);
  EXPECT_FALSE(fs::exists(root() / "printed"));
  const auto schema = run({"emotion_train", "--schema"});
  EXPECT_EQ(schema.code, 0) << schema.errors;
  EXPECT_EQ(schema.output, run_config_schema());
  EXPECT_THAT(schema.output, HasSubstr("\ntrain.epochs: "));
}

// Whatever the file system allows: data.json, as all JSON, is UTF-8.
TEST_F(TrainCommandTest, ADataSetsPathMayBeOfAnyEncoding) {
  write_text(root() / "\xe9motions/dataset.yaml", "classes: [awe, fear]\nsplits: {train: all.jsonl}\n");
  write_text(root() / "\xe9motions/all.jsonl",
             "{\"image\": \"0.png\", \"labels\": [\"awe\"], \"keywords\": [\"sea\"]}\n"
             "{\"image\": \"1.png\", \"labels\": [\"fear\"], \"keywords\": [\"dark\"]}\n");
  write_config("latin", "task: textcnn\ndata: {train: {dataset: \xe9motions, split: train}}");
  const auto trained = run({"emotion_train", "--config", "latin.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.errors;
  EXPECT_EQ(json("latin/data.json")["train"]["dataset"], "\xef\xbf\xbdmotions") << "U+FFFD in its place";
}

// YAML would end the first before the #, and the others are no text to it.
TEST_F(TrainCommandTest, FlagsAreNoYaml) {
  write_config("flags", "task: classifier\n" + data(""));
  for (const std::string folder : {"runs/try #2", "a: b", "null"}) {
    const auto printed = run({"emotion_train", "--config", "flags.yaml", "--output", folder, "--print-config"});
    ASSERT_EQ(printed.code, 0) << printed.errors;
    EXPECT_EQ(parse_run_config(printed.output, "printed").output, folder);
  }
  EXPECT_EQ(error_of_command(root(), 2, {"emotion_train", "--config", "flags.yaml", "--device", "gpu"}),
            "--device gpu: device is 'gpu'; auto, cpu, cuda or cuda:N is wanted\n");
}

TEST_F(TrainCommandTest, ThePreviewIsThePixelsARunSees) {
  fs::create_directories(root() / "dots/img");
  std::vector<cv::Mat> pictures;
  std::string lines;
  for (int i = 0; i < 3; ++i) {
    cv::Mat picture(6, 8, CV_8UC3);
    cv::RNG(static_cast<std::uint64_t>(i) + 1).fill(picture, cv::RNG::UNIFORM, 0, 256);
    cv::imwrite((root() / fmt::format("dots/img/{}.png", i)).string(), picture);
    pictures.push_back(picture);
    lines += fmt::format("{{\"image\": \"img/{}.png\", \"labels\": [\"awe\"]}}\n", i);
  }
  write_text(root() / "dots/dataset.yaml", "classes: [awe]\nsplits: {val: val.jsonl}\n");
  write_text(root() / "dots/val.jsonl", lines);
  write_config("dots-run", "task: classifier\ndata: {train: {dataset: dots, split: val}, resize: 0, augment: none, flip: false}");
  const auto result =
      run({"emotion_data", "preview", "--data", "dots", "--config", "dots-run.yaml", "--out", "seen", "--count", "2"});
  EXPECT_EQ(result.code, 0) << result.errors;
  const auto equal = [](const cv::Mat& a, const cv::Mat& b) { return a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0; };
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(equal(cv::imread((root() / fmt::format("seen/{:06}.png", i)).string()), pictures[static_cast<std::size_t>(i)]));
  EXPECT_FALSE(fs::exists(root() / "seen/000002.png"));
  // A crop of the middle: rows 1 to 4, columns 2 to 5.
  ASSERT_EQ(run({"emotion_data", "preview", "--data", "dots", "--config", "dots-run.yaml", "--out", "cropped", "--set",
                 "data.augment=center_crop", "--set", "data.size=4", "--count", "0"})
                .code,
            0);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(equal(cv::imread((root() / fmt::format("cropped/{:06}.png", i)).string()),
                      pictures[static_cast<std::size_t>(i)](cv::Rect(2, 1, 4, 4))));
  // Pictures that the first epoch shows mirrored.
  ASSERT_EQ(run({"emotion_data", "preview", "--data", "dots", "--config", "dots-run.yaml", "--out", "mirrored", "--set",
                 "data.flip=true", "--count", "0"})
                .code,
            0);
  std::size_t mirrored = 0;
  for (std::uint64_t i = 0; i < 3; ++i) {
    cv::Mat wanted = pictures[i];
    if (is_mirrored({.flip = true}, {1, 0, i})) {
      cv::flip(pictures[i], wanted, 1);
      ++mirrored;
    }
    EXPECT_TRUE(equal(cv::imread((root() / fmt::format("mirrored/{:06}.png", i)).string()), wanted)) << i;
  }
  EXPECT_THAT(mirrored, ::testing::AnyOf(1U, 2U));
}

TEST_F(TrainCommandTest, LinesOfARunInAPipeArePlain) {
  write_config("plain", "task: classifier\n" + data("") + "\nmodel: {backbone: resnet18}");
  const auto result = run({"emotion_train", "--config", "plain.yaml"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("done after 2 steps"));
  for (const char* control : {"\r", "\033"}) EXPECT_THAT(result.errors + result.output, Not(HasSubstr(control)));
}

// No command of a test takes ten seconds: the progress itself, into a file.
TEST(ProgressLines, InAPipeAreWholeLinesAtIntervals) {
  const ScratchFolder folder;
  set_log_level(LogLevel::kInfo);
  const int kept = ::dup(STDERR_FILENO);
  {
    const std::string file = (folder.path() / "lines").string();
    ASSERT_NE(std::freopen(file.c_str(), "w", stderr), nullptr);
    Progress progress("images", 200, 0, std::chrono::milliseconds(100));
    progress.update(50);  // too soon
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    progress.update(100, "loss 0.5");
    progress.update(150);  // too soon again
  }
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  EXPECT_THAT(read_file(folder.path() / "lines"),
              ::testing::MatchesRegex("images: 50 %  100/200  [0-9.]+/s  ETA 0:0[0-9]  loss 0\\.5\n"));
}

TEST(ProgressLines, OnATerminalAreABarThatIsClearedAtTheEnd) {
  set_log_level(LogLevel::kInfo);
  int shown = -1, terminal = -1;
  ASSERT_EQ(::openpty(&shown, &terminal, nullptr, nullptr, nullptr), 0);
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  {
    Progress progress("images", 200);
    progress.update(50);  // too soon
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    progress.update(100, "loss 0.5");
  }
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(terminal);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(shown, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  ::close(shown);
  EXPECT_THAT(text, ::testing::StartsWith("\r\033[Kimages ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌ 100/200  "));
  EXPECT_THAT(text, ::testing::EndsWith("  loss 0.5\r\033[K"));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace emotion
