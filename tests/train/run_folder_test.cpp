#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/process.h"
#include "trainer_support.h"

// Which folder a run works in, and what a run that goes on or begins says of itself.
namespace emotion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RunFolderTest : public TrainerTest {
 protected:
  /// The command as it is, in the working directory `from`.
  Process::Result call(const std::vector<std::string>& arguments, const fs::path& from) const {
    std::vector<std::string> all{std::string(EMOTION_BIN) + "/emotion_train"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    fs::create_directories(from);
    return Process(from, all).wait();
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

}  // namespace
}  // namespace emotion
