#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/process.h"
#include "../support/scratch.h"

// What emotion_reproduce says of the project's own tables, scales and configs; nothing is trained.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// The project's own tables can be read at every scale, and each row's config with them.
TEST(ProjectTables, AllOfTheProjectsTablesCanBePlanned) {
  const std::string source = fs::path(EMOTION_TEST_DATA).parent_path().parent_path().string();
  const ScratchFolder folder;
  for (const std::string scale : {"paper", "synth"}) {
    const auto result = Process(folder.path(), {std::string(EMOTION_BIN) + "/emotion_reproduce", "--list", "--scale", scale,
                                                "--configs", source + "/configs", "--output", "out"})
                            .wait();
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_THAT(result.output, HasSubstr("emotionnet/2"));
    EXPECT_THAT(result.output, HasSubstr("    Top-1          paper  50.00  emotion_eval top1  "));
    EXPECT_THAT(result.output, HasSubstr("    Top-2          paper  90.00  emotion_eval top2  "));
    EXPECT_THAT(result.output, Not(HasSubstr(".yaml:"))) << "a config cannot be read";
    if (scale == "synth") {
      EXPECT_THAT(result.output, Not(HasSubstr(" missing"))) << "the scale does not make all data";
    }
  }
}

// What a row's training does not read is not made for it either.
TEST(ProjectTables, RowsWithoutTextNeedNeitherWordVectorsNorATextCNN) {
  const std::string source = fs::path(EMOTION_TEST_DATA).parent_path().parent_path().string();
  const ScratchFolder folder;
  const auto result = Process(folder.path(), {std::string(EMOTION_BIN) + "/emotion_reproduce", "--list", "--table", "emotionnet",
                                              "--configs", source + "/configs"})
                          .wait();
  EXPECT_THAT(result.output,
              HasSubstr("  − Soft loss  [emotionnet/table3_no_soft_label.yaml]\n    needs data/resnet50.pth missing, "
                        "data/stock missing, data/word2vec.bin missing\n"));
  EXPECT_THAT(result.output,
              HasSubstr("  − Embed loss  [emotionnet/table3_no_embedding.yaml]\n    needs data/resnet50.pth missing, "
                        "data/stock missing, data/word2vec.bin missing, runs/textcnn missing\n"));
  EXPECT_THAT(result.output,
              HasSubstr("  − Embed & Soft  [emotionnet/table3_hard_label.yaml]\n    needs data/resnet50.pth missing, "
                        "data/stock missing\n"));
  EXPECT_THAT(result.output,
              HasSubstr("  30K  [emotionnet/table4_30k.yaml]\n    needs data/resnet50.pth missing, data/stock missing\n"));
  EXPECT_THAT(result.output,
              HasSubstr("  10 %  [emotionnet/table5_010.yaml]\n    UBE            paper  52.45  emotion_probe top1  "
                        "data/resnet50.pth missing, data/stock missing, data/unbiased_emotion missing\n"));
}

// A published data set, imported as it comes by default, has the splits that the tables read.
TEST(ProjectTables, DefaultImportsHaveTheSplitsThatAreRead) {
  const fs::path source = fs::path(EMOTION_TEST_DATA).parent_path().parent_path();
  const ScratchFolder folder;
  struct Import {
    std::string name, format, miniature;
    std::vector<std::string> more{};
  };
  for (const auto& [name, format, miniature, more] :
       {Import{"fi", "fi", "fi_folders"}, Import{"deep_emotion", "fi", "fi_folders", {"--split", "80/20"}},
        Import{"unbiased_emotion", "ube", "ube"}, Import{"affectnet", "affectnet", "affectnet_lists"},
        Import{"emotic", "emotic", "emotic"}, Import{"emotionroi", "emotionroi", "emotionroi"},
        Import{"fer2013", "fer2013", "fer2013"}, Import{"se30k8", "se30k8", "se30k8"},
        Import{"stock", "stockemotion", "stockemotion"},
        Import{"iapsa", "iapsa", "iapsa_folders", {"--folds", "5", "--without", "anger"}}}) {
    std::vector<std::string> command{std::string(EMOTION_BIN) + "/emotion_data",
                                     "import",
                                     format,
                                     "--root",
                                     (source / "tests/data/fixtures/import" / miniature).string(),
                                     "--out",
                                     "data/" + name};
    command.insert(command.end(), more.begin(), more.end());
    const auto result = Process(folder.path(), command).wait();
    ASSERT_EQ(result.code, 0) << name << ": " << result.errors;
  }
  const auto list = [&] {
    const auto result = Process(folder.path(), {std::string(EMOTION_BIN) + "/emotion_reproduce", "--list", "--configs",
                                                (source / "configs").string()})
                            .wait();
    EXPECT_EQ(result.code, 0) << result.errors;
    return result.output;
  };
  EXPECT_THAT(list(), Not(HasSubstr("split ")));
  EXPECT_THAT(list(), HasSubstr("data/affectnet there"));
  EXPECT_THAT(list(), HasSubstr("data/iapsa there"));
  fs::remove(folder.path() / "data/affectnet/dataset.yaml");
  write_text(folder.path() / "data/affectnet/dataset.yaml", "classes: [a]\nsplits: {train: train.jsonl, test: test.jsonl}\n");
  EXPECT_THAT(list(), HasSubstr("split val of data/affectnet missing")) << "the check sees the set";
}

}  // namespace
}  // namespace emotion
