#include <signal.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>

#include "../support/commands.h"
#include "../support/http_server.h"
#include "../support/tiny_detector.h"
#include "measure.h"

// Ctrl-C while a command works: exit code 130, a last line that says what is kept, and the same command that goes on or begins.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class InterruptTest : public MeasureTest {
 protected:
  /// A copy of the moods, for commands that write into a data set.
  static void copy(const std::string& name) { fs::copy(root() / "moods", root() / name, fs::copy_options::recursive); }
  /// Whether there is such a file, or a file below such a folder.
  static bool is_there(const fs::path& path) {
    std::error_code gone;
    if (!fs::is_directory(path, gone)) return fs::exists(path, gone);
    for (fs::recursive_directory_iterator it(path, gone), end; it != end; it.increment(gone)) {
      if (it->is_regular_file(gone)) return true;
    }
    return false;
  }
  /// Whether a signal asks the process for a stop by now, and no longer ends it.
  static bool listens(pid_t pid) {
    std::ifstream in(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("SigCgt:")) return (std::stoull(line.substr(7), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
    }
    return false;
  }
  /// All that a command says on stderr that gets SIGINT once it listens to it and `begun` holds.
  static std::string interrupted(const Words& words, const std::function<bool()>& begun) {
    const Process process(root(), command_words(words));
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!(listens(process.pid()) && begun()) && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.send(SIGINT);
    const auto result = process.wait();
    EXPECT_EQ(result.code, 130) << words[0] << " " << words[1] << ": " << result.errors;
    return result.errors;
  }
  /// `many_moods`: enough pictures that no command is through with them before the signal is there.
  static void draw_many() {
    if (!fs::exists(root() / "many_moods"))
      again({"emotion_data", "synth", "affect", "--count", "1500", "--size", "32", "--out", "many_moods"});
  }
  /// The same command, which must end well: all that it says.
  static std::string again(const Words& words) {
    const auto result = command(root(), words);
    EXPECT_EQ(result.code, 0) << words[0] << " " << words[1] << ": " << result.errors;
    return result.errors + result.output;
  }
};

TEST_F(InterruptTest, FeaturesGoOnFromTheirPieces) {
  const Words words{"emotion_extract", "--checkpoint",  "net.safetensors", "--data",          "moods", "--batch",      "1",
                    "--out",           "f.safetensors", "--set",           "data.resize=256", "--set", "data.size=224"};
  EXPECT_THAT(interrupted(words, [] { return is_there(root() / "f.safetensors.parts/00000000.safetensors"); }),
              EndsWith("f.safetensors.parts: interrupted; the same command goes on from the pieces there\n"));
  EXPECT_FALSE(fs::exists(root() / "f.safetensors"));
  EXPECT_THAT(again(words), ContainsRegex("f.safetensors.parts: [0-9]+ of 24 pieces are done already"));
  EXPECT_EQ(read_safetensors(root() / "f.safetensors").find("features")->size(0), 48);
}

TEST_F(InterruptTest, RegionsAndFacesGoOn) {
  copy("stimuli");
  write_tiny_detector(root() / "detector.safetensors", {"sun", "dog"});
  const Words regions{"emotion_data", "regions", "stimuli", "--checkpoint", "detector.safetensors", "--top", "3", "--batch", "1"};
  EXPECT_THAT(interrupted(regions, [] { return is_there(root() / "stimuli/regions"); }),
              ContainsRegex("regions: interrupted after [0-9]+ of [0-9]+ images; the same command goes on\n$"));
  EXPECT_THAT(again(regions), ContainsRegex("train: 48 images; ([1-3]?[0-9]|4[0-7]) looked at now"))
      << "of 48 one at least was there";

  const Words faces{"emotion_data", "faces", "stimuli", "--workers", "1"};
  EXPECT_THAT(interrupted(faces, [] { return is_there(root() / "stimuli/faces"); }),
              ContainsRegex("faces: interrupted in stimuli/[a-z]+.jsonl; the same command goes on from there\n$"));
  again(faces);
}

TEST_F(InterruptTest, PackingGoesOnWithTheNextShard) {
  const Words words{"emotion_data", "pack", "moods", "--out", "packed", "--samples", "1"};
  const fs::path first = root() / "packed/train-000000.tar";
  EXPECT_THAT(interrupted(words, [&] { return is_there(first); }),
              EndsWith("pack: interrupted; the same command goes on with the next shard\n"));
  const auto time = fs::last_write_time(first);
  EXPECT_FALSE(fs::exists(root() / "packed/dataset.yaml"));
  again(words);
  EXPECT_TRUE(fs::exists(root() / "packed/dataset.yaml"));
  EXPECT_EQ(fs::last_write_time(first), time);
}

TEST_F(InterruptTest, FetchingGoesOn) {
  const std::string picture = read_file(root() / "moods" / image(0));
  std::mutex held;
  held.lock();
  HttpServer server([&](const std::string& path, int request) {
    if (path == "/slow" && request == 1) const std::lock_guard until_the_signal(held);
    return HttpAnswer{.body = picture};
  });
  write_text(root() / "urls.tsv", "quick.jpg\t" + server.url("/quick") + "\nslow.jpg\t" + server.url("/slow") + "\n");
  const Words words{"emotion_data", "fetch", "--urls", "urls.tsv", "--out", "fetched", "--allow-private"};
  EXPECT_THAT(interrupted(words, [&] { return server.requests("/slow") == 1 && is_there(root() / "fetched/quick.jpg"); }),
              EndsWith("fetch: interrupted; the same command goes on\n"));
  held.unlock();
  EXPECT_FALSE(fs::exists(root() / "fetched/slow.jpg"));
  EXPECT_THAT(again(words), HasSubstr("fetched: 1 fetched, 1 were there, 0 failed"));
  EXPECT_EQ(read_file(root() / "fetched/slow.jpg"), picture);
  EXPECT_EQ(server.requests("/quick"), 1);
}

TEST_F(InterruptTest, WordVectorsAndHashesBeginAgain) {
  std::string lines;
  for (int i = 0; i < 50000; ++i) lines += fmt::format("{{\"image\": \"{}\", \"keywords\": [\"sun\", \"sea\"]}}\n", i);
  write_dataset("words", {"awe"}, lines);
  draw_many();
  for (const auto& [words, line] :
       {std::pair{Words{"emotion_text", "word2vec", "--data", "words", "--min-count", "1", "--out", "w.txt"},
                  "word2vec: interrupted; the same command goes on where it last saved\n"},
        std::pair{Words{"emotion_data", "dedup", "many_moods", "--groups", "groups.json"},
                  "hashes: interrupted; what was hashed is kept\n"}}) {
    EXPECT_THAT(interrupted(words, [] { return true; }), EndsWith(line));
    EXPECT_FALSE(fs::exists(root() / words.back()));
    again(words);
    EXPECT_TRUE(fs::exists(root() / words.back()));
  }
}

TEST_F(InterruptTest, ASetThatIsDrawnIsTakenAway) {
  const Words words{"emotion_data", "synth", "affect", "--count", "300", "--size", "128", "--workers", "1", "--out", "drawn"};
  EXPECT_THAT(interrupted(words, [] { return is_there(root() / "drawn/images"); }),
              EndsWith("synth: interrupted; nothing of drawn is kept\n"));
  EXPECT_FALSE(fs::exists(root() / "drawn"));
}

// The map of the features comes last, when weights and figures are written.
TEST_F(InterruptTest, ATrainingThatIsThroughSaysSo) {
  draw_many();
  write_text(root() / "mapped.yaml",
             "task: classifier\ndevice: cpu\noutput: mapped\ndata: {train: {dataset: many_moods, split: train}, val: {dataset: "
             "many_moods, split: test}, resize: 96, size: 96, workers: 1}\nmodel: {backbone: resnet18}\n"
             "train: {batch: 8, epochs: 1, max_steps: 1}\n");
  const Words words{"emotion_train", "--config", "mapped.yaml", "--resume"};
  again(words);
  for (const char* file : {"data.json", "features.json", "times.json", "report.html"}) fs::remove(root() / "mapped" / file);
  EXPECT_THAT(interrupted(words, [] { return is_there(root() / "mapped/data.json"); }),
              EndsWith("interrupted; the training is complete, features.json alone was not written; it is with: emotion_train "
                       "--config mapped/config.yaml --resume\n"));
  EXPECT_FALSE(fs::exists(root() / "mapped/features.json"));
  for (const char* file : {"times.json", "report.html"}) EXPECT_TRUE(fs::exists(root() / "mapped" / file)) << file;
  again({"emotion_train", "--config", "mapped/config.yaml", "--resume"});
  EXPECT_TRUE(fs::exists(root() / "mapped/features.json"));
}

// What has nothing to go on from leaves nothing either.
TEST_F(InterruptTest, OthersWriteNothing) {
  draw_many();
  const std::string nothing = "interrupted; nothing was written\n";
  std::string table = "image,label\n";
  for (int i = 0; i < 20000; ++i) {  // more than are looked at before the signal is there
    const std::string name = fmt::format("{}.png", i);
    write_text(root() / "many" / name, "");
    table += name + ",awe\n";
  }
  write_text(root() / "table.csv", table);
  for (const auto& [words, line] :
       {std::pair{Words{"emotion_eval", "--checkpoint", "net.safetensors", "--data", "moods", "--output", "out"}, nothing},
        std::pair{Words{"emotion_probe", "--checkpoint", "net.safetensors", "--data", "moods", "--no-cache", "--output", "out"},
                  nothing},
        std::pair{Words{"emotion_search", "index", "--checkpoint", "net.safetensors", "--data", "moods", "--out", "out"},
                  nothing},
        std::pair{Words{"emotion_data", "verify", "many_moods", "--out", "out"}, std::string("verify: interrupted\n")},
        std::pair{Words{"emotion_data", "import", "csv", "--file", "table.csv", "--image-column", "image", "--label-column",
                        "label", "--root", "many", "--out", "out"},
                  "import: " + nothing}}) {
    EXPECT_THAT(interrupted(words, [] { return true; }), EndsWith(line));
    EXPECT_FALSE(is_there(root() / "out/dataset.yaml") || is_there(root() / "out/metrics.json") ||
                 fs::is_regular_file(root() / "out"))
        << words[0] << " " << words[1];
    fs::remove_all(root() / "out");
    again(words);
    fs::remove_all(root() / "out");
  }
}

}  // namespace
}  // namespace emotion
