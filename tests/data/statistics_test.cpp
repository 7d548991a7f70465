#include "emotion/data/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::Pair;
using ::testing::StartsWith;

class StatisticsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kOff);
    write_text(folder_.path() / "dataset.yaml", "name: t\nclasses: [awe, fear, calm]\nsplits: {train: train.jsonl}\n");
    write_text(
        folder_.path() / "train.jsonl",
        "{\"image\": \"a\", \"labels\": [\"awe\", \"fear\"], \"keywords\": [\"awe\", \"fear\", \"sky\"], \"face\": \"f\"}\n"
        "{\"image\": \"b\", \"keywords\": [\"awe\", \"fear\", \"calm\", \"sea\", \"sky\"], \"box\": [0, 0, 1, 1]}\n"
        "{\"image\": \"c\", \"labels\": [\"fear\"]}\n"
        "{\"image\": \"d\", \"keywords\": [\"sky\"]}\n");
  }
  Dataset dataset() const { return Dataset::open(folder_.path()); }
  ScratchFolder folder_;
};

TEST_F(StatisticsTest, CountsKeywordsAndEmotions) {
  const SplitStatistics s = split_statistics(Manifest::open(dataset(), "train"));
  EXPECT_EQ(s.samples, 4U);
  EXPECT_EQ(s.keywords, 9U);
  EXPECT_EQ(s.emotional, 5U);
  EXPECT_EQ(s.labels, 3U);
  EXPECT_EQ(s.distinct_keywords, 5U);
  EXPECT_EQ(s.with_face, 1U);
  EXPECT_EQ(s.with_box, 1U);
  EXPECT_THAT(s.by_keywords, ElementsAre(Pair(0, 1), Pair(1, 1), Pair(3, 1), Pair(5, 1)));
  EXPECT_THAT(s.by_emotional, ElementsAre(Pair(0, 2), Pair(2, 1), Pair(3, 1)));
  EXPECT_THAT(s.per_class, ElementsAre(1, 2, 0));
}

// a: awe fear; b (no labels): awe fear calm; c: fear; d: none.
TEST_F(StatisticsTest, CooccurrenceIsSymmetric) {
  CooccurrenceMatrix together(3);
  together.add(Manifest::open(dataset(), "train"));
  const std::uint64_t expected[3][3] = {{2, 2, 1}, {2, 3, 1}, {1, 1, 1}};
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) EXPECT_EQ(together(a, b), expected[a][b]) << a << " " << b;
  }
  const auto pairs = together.top_pairs(1);
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_EQ(pairs[0].a, 0U);
  EXPECT_EQ(pairs[0].b, 1U);
  EXPECT_NEAR(pairs[0].lift, 2.0 / (2.0 * 3 / 4), 1e-12);
  together.write({"awe", "fear", "calm"}, folder_.path() / "m.tsv");
  EXPECT_EQ(read_file(folder_.path() / "m.tsv"), "\tawe\tfear\tcalm\nawe\t2\t2\t1\nfear\t2\t3\t1\ncalm\t1\t1\t1\n");
}

TEST_F(StatisticsTest, CheckListGoesOutAndComesBack) {
  const fs::path file = folder_.path() / "check.tsv";
  write_check_list(dataset(), 3, 1, file);
  std::string text = read_file(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 7);  // a note; 2 + 3 + 1 emotions
  EXPECT_NE(text.find("b\tcalm\t?\n"), std::string::npos);
  EXPECT_EQ(error_of<DataError>([&] { read_check_list(file); }), file.string() + ": no line says right or wrong");
  EXPECT_NO_THROW(write_check_list(dataset(), 3, 1, file)) << "nothing is filled in";
  text.replace(text.find("b\tcalm\t?"), 8, "b\tcalm\twrong");
  text.replace(text.find("a\tawe\t?"), 7, "a\tawe\tright");
  text.replace(text.find("a\tfear\t?"), 8, "a\tfear\tright");
  write_text(file, text);
  const LabelNoise noise = read_check_list(file);
  EXPECT_EQ(noise.checked, 3U);
  EXPECT_EQ(noise.images, 2U);
  EXPECT_EQ(noise.open, 3U);
  EXPECT_NEAR(noise.rate, 1.0 / 3, 1e-12);
  EXPECT_NEAR(noise.low, 0.0615, 5e-4);  // Wilson's interval of 1 in 3
  EXPECT_NEAR(noise.high, 0.7923, 5e-4);
  EXPECT_THAT(error_of<ConfigError>([&] { write_check_list(dataset(), 3, 2, file); }),
              AllOf(StartsWith(file.string() + ":"),
                    EndsWith(": is filled in, a new list would replace it; give another file, or remove this one")));
  EXPECT_EQ(read_file(file), text);
  write_text(file, "a\tawe\tperhaps\n");
  EXPECT_EQ(error_of<DataError>([&] { read_check_list(file); }),
            file.string() + ":1: 'perhaps' in the last column; right, wrong or ? is wanted");
  EXPECT_EQ(error_of<DataError>([&] { write_check_list(dataset(), 4, 1, folder_.path() / "more.tsv"); }),
            folder_.path().string() + ": only 3 images have a label or an emotion keyword");
}

}  // namespace
}  // namespace emotion
