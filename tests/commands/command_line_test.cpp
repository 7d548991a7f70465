#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/scratch.h"

// What every command does alike: its flags' numbers, its standard files.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CommandLineTest : public ::testing::Test {
 protected:
  Process::Result shell(const std::string& line) const { return emotion::shell(folder_.path(), line); }
  std::string usage_error(const std::string& line) const {
    const auto result = shell("$B/" + line);
    EXPECT_EQ(result.code, 2) << line << ": " << result.errors;
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    return result.errors;
  }
  ScratchFolder folder_;
  const fs::path tiny_ = fs::path(EMOTION_TEST_DATA) / "../train/fixtures/tiny";
};

TEST_F(CommandLineTest, NumbersOfFlagsAreChecked) {
  EXPECT_EQ(usage_error("emotion_data preview --data d --config c --out o --count -1"),
            "emotion_data: --count: Value -1 is below 0; see emotion_data preview --help\n");
  for (const char* line :
       {"emotion_data stats d --check-list c --seed=-1", "emotion_eval --checkpoint c --seed -1",
        "emotion_reproduce --list --seeds 1,-2", "emotion_probe --seed -3", "emotion_data pack d --out o --samples -1"})
    EXPECT_THAT(usage_error(line), HasSubstr("is below 0; see ")) << line;
  EXPECT_EQ(usage_error("emotion_extract --checkpoint c --data d --out o --batch 0"),
            "emotion_extract: --batch: Value 0 not in range 1 to 1000000000; see emotion_extract --help\n");
  EXPECT_THAT(usage_error("emotion_probe --epochs 0.5"), HasSubstr("--epochs: Value 0.5 not in range 1 to "));
  for (const char* value : {"0", "-1", "nan", "inf", "x"})
    EXPECT_EQ(usage_error(fmt::format("emotion_data bench --data d --config c --seconds {}", value)),
              fmt::format("emotion_data: --seconds: Value {} is not a number above 0; see emotion_data bench --help\n", value));
}

TEST_F(CommandLineTest, WordsThatAreNotKnownAreNamedWithWhatIsMeant) {
  EXPECT_EQ(usage_error("emotion_data import folder --out x"),
            "emotion_data: --root is required; see emotion_data import --help\n");
  EXPECT_EQ(usage_error("emotion_data stat data/x2"),
            "emotion_data: unknown 'stat'; did you mean stats?; see emotion_data --help\n");
  EXPECT_EQ(usage_error("emotion_data zzzzzzzz"), "emotion_data: unknown 'zzzzzzzz'; see emotion_data --help\n");
  EXPECT_EQ(usage_error("emotion_data"), "emotion_data: A subcommand is required; see emotion_data --help\n");
  EXPECT_EQ(usage_error("emotion_train --cfg F"),
            "emotion_train: unknown flag '--cfg'; did you mean --config?; see emotion_train --help\n");
  EXPECT_EQ(usage_error("emotion_train --config F --sed=3"),
            "emotion_train: unknown flag '--sed'; did you mean --set?; see emotion_train --help\n");
  EXPECT_EQ(usage_error("emotion_data verify d --worker 3"),
            "emotion_data: unknown flag '--worker'; did you mean --workers?; see emotion_data verify --help\n");
  EXPECT_EQ(usage_error("emotion_data verify d one two"), "emotion_data: unexpected: one two; see emotion_data verify --help\n");
}

TEST_F(CommandLineTest, HelpSaysThatOneOfPositionalAndFlagIsNeeded) {
  for (const char* sub : {"verify", "stats", "faces", "regions", "dedup", "split", "vote", "pack"}) {
    const std::string help = shell(fmt::format("$B/emotion_data {} --help", sub)).output;
    EXPECT_THAT(help, HasSubstr("  data DATASET; data or --data is REQUIRED\n")) << sub;
    EXPECT_THAT(help, HasSubstr("  --data DATASET; data or --data is REQUIRED\n")) << sub;
  }
  const std::string help = shell("$B/emotion_data import --help").output;
  EXPECT_THAT(help, HasSubstr("format FORMAT; format or --format is REQUIRED\n"));
  EXPECT_THAT(help, HasSubstr("Visual Genome, boxes for a detector: "));
}

// Files of the run would get the numbers 1 and 2, and the log's lines.
TEST_F(CommandLineTest, ClosedStandardFilesAreNoFilesOfTheRun) {
  write_text(folder_.path() / "run.yaml",
             fmt::format("task: textcnn\ndata: {{train: {{dataset: {0}, split: train}}, val: {{dataset: {0}, split: train}}}}\n"
                         "train: {{epochs: 3, batch: 4, log_every: 1}}\ndevice: cpu\noutput: run\n",
                         tiny_.string()));
  for (const std::string closed : {">&- 2>&-", "<&- >&- 2>&-", "2>&-"}) {
    ASSERT_EQ(shell("exec $B/emotion_train --config run.yaml " + closed).code, 0);
    std::ifstream metrics(folder_.path() / "run/metrics.jsonl");
    std::size_t lines = 0;
    for (std::string line; std::getline(metrics, line); ++lines)
      EXPECT_TRUE(nlohmann::json::accept(line)) << closed << ": " << line;
    EXPECT_GT(lines, 3U);
    fs::remove_all(folder_.path() / "run");
  }
}

TEST_F(CommandLineTest, APathThatCannotBeLookedAtIsNamedWithTheReason) {
  const std::string path(300, 'n');
  const auto result = shell("$B/emotion_data curate " + path + " --candidates words.tsv");
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.errors, path + ": File name too long\n");
}

TEST_F(CommandLineTest, OutputThatCannotBeWrittenIsAFailure) {
  const std::string stats = fmt::format("emotion_data stats '{}'", tiny_.string());
  ASSERT_EQ(shell("$B/" + stats).code, 0);
  for (const std::string& line : {stats, std::string("emotion_data --help"), std::string("emotion_train --version"),
                                  std::string("emotion_train --schema")}) {
    const auto full = shell("$B/" + line + " > /dev/full");
    EXPECT_EQ(full.code, 1) << line;
    EXPECT_THAT(full.errors, ::testing::MatchesRegex("emotion_[a-z]+: .*\n")) << line;
    EXPECT_EQ(std::count(full.errors.begin(), full.errors.end(), '\n'), 1) << full.errors;
  }
  EXPECT_EQ(shell("$B/" + stats + " | true; exit ${PIPESTATUS[0]}").code, 0) << "a reader that has seen enough";
}

}  // namespace
}  // namespace emotion
