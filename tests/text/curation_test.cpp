// Keyword collections: candidates for a person to choose from, and the set that follows from the choice.
#include "emotion/text/curation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/text/vocabulary.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class CollectionTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  fs::path file(const std::string& name, const std::string& text) const {
    write_text(folder_.path() / name, text);
    return folder_.path() / name;
  }
  /// sky 4 images, joy 3, grief 2, sea 2, rare 1
  fs::path collection() const {
    return file("c.jsonl",
                "{\"image\": \"1.jpg\", \"keywords\": [\"Sky\", \"joy\", \" sky \", \"sea\"], \"box\": [1, 2, 3, 4.5]}\n"
                "{\"image\": \"2.jpg\", \"keywords\": [\"sky\", \"grief\", \"JOY\", \"sea\"]}\r\n"
                "\n"
                "{\"image\": \"3.jpg\", \"keywords\": [\"sky\", \"rare\"]}\n"
                "{\"keywords\": [\"joy\", \"grief\"], \"image\": \"4.jpg\"}\n"
                "{\"image\": \"1.jpg\", \"keywords\": [\"sky\"], \"box\": [1, 2, 3, 4.5]}\n");
  }
  std::string error(const std::string& text) const {
    const fs::path path = file("bad.jsonl", text);
    return error_without<DataError>(path, [&] { read_collection(path, [](const CollectionRecord&) {}); });
  }
  ScratchFolder folder_;
};

TEST_F(CollectionTest, ReadsWordsInTheirNormalForm) {
  std::vector<std::string> seen;
  read_collection(collection(), [&](const CollectionRecord& record) {
    seen.push_back(fmt::format("{} {} {}{}", record.line, record.image, fmt::join(record.keywords, ","), record.rest));
  });
  EXPECT_THAT(seen, ElementsAre("1 1.jpg sky,joy,sea,\"box\":[1,2,3,4.5]", "2 2.jpg sky,grief,joy,sea", "4 3.jpg sky,rare",
                                "5 4.jpg joy,grief", "6 1.jpg sky,\"box\":[1,2,3,4.5]"));
}

TEST_F(CollectionTest, BrokenLinesAreNamed) {
  EXPECT_EQ(error("{\"image\": \"a\"}\n[1]\n"), "2: not a JSON object");
  EXPECT_EQ(error("{\"keywords\": []}\n"), "1: \"image\" is missing");
  EXPECT_EQ(error("{\"image\": \"a\", \"keywords\": \"b\"}\n"), "1: \"keywords\" is not a list");
  EXPECT_EQ(error("{\"image\": \"a\", \"keywords\": [1]}\n"), "1: \"keywords\": a keyword is not text");
  EXPECT_EQ(error("{\"image\": \"../a\"}\n"), "1: \"image\": '../a' leaves '.'");
}

TEST_F(CollectionTest, RanksByNumberOfImages) {
  const auto all = emotion_candidates({collection()}, {}, nullptr, {.min_images = 2, .top = 10});
  std::vector<std::string> names;
  for (const auto& c : all) names.push_back(fmt::format("{} {}", c.keyword, c.images));
  EXPECT_THAT(names, ElementsAre("sky 4", "joy 3", "grief 2", "sea 2"));
  EXPECT_EQ(emotion_candidates({collection()}, {}, nullptr, {.min_images = 1, .top = 3}).size(), 3U);
}

// cos(joy, grief) = 0.6, cos(joy, sea) = 0; sky has no vector.
TEST_F(CollectionTest, SeedsBringTheirNeighbours) {
  const auto vectors = WordVectors::from_memory({"joy", "grief", "sea"}, {2, 0, 0.6F, 0.8F, 0, 5}, 2);
  const auto near = emotion_candidates({collection()}, {"joy"}, &vectors, {.min_images = 1, .top = 10, .similarity = 0.5});
  ASSERT_EQ(near.size(), 2U);
  EXPECT_TRUE(near[0].seed);
  EXPECT_EQ(near[1].keyword, "grief");
  EXPECT_EQ(near[1].nearest, "joy");
  EXPECT_NEAR(near[1].similarity, 0.6, 1e-6);
  EXPECT_EQ(emotion_candidates({collection()}, {"joy"}, &vectors, {.min_images = 1, .top = 10, .similarity = 0.7}).size(), 1U);
  EXPECT_EQ(emotion_candidates({collection()}, {"joy"}, nullptr, {.min_images = 1}).size(), 1U);
  const fs::path table = folder_.path() / "t.tsv";
  write_candidates(near, table);
  std::size_t undecided = 0;
  EXPECT_THAT(read_categories(table, undecided), ElementsAre("joy"));
  EXPECT_EQ(undecided, 1U);
  EXPECT_NO_THROW(write_candidates(near, table)) << "nothing is decided on";
  std::string text = read_file(table);
  text.replace(text.find("?\tgrief"), 1, "yes");
  write_text(table, text);
  const std::string decided = ": is decided on, a new table would replace it; give another file, or remove this one";
  EXPECT_EQ(error_of<ConfigError>([&] { write_candidates(near, table); }), table.string() + ":4" + decided);
  EXPECT_EQ(read_file(table), text);
  for (const char* line : {"no\tjoy\t3\t1.000\tjoy\n", "awe\n"})
    EXPECT_EQ(error_of<ConfigError>([&] { refuse_decided(file("by_hand.tsv", line)); }),
              (folder_.path() / "by_hand.tsv").string() + ":1" + decided);
  EXPECT_THAT(read_categories(table, undecided), ElementsAre("joy", "grief"));
  EXPECT_EQ(undecided, 0U);
}

// Keywords are read in lower case: what a person writes with a capital names the same word.
TEST_F(CollectionTest, SeedsAndCategoriesHaveTheKeywordsForm) {
  LogCapture log(LogLevel::kInfo);
  const auto found = emotion_candidates({collection()}, {"Joy", " joy", "RARE", "Awe"}, nullptr, {.min_images = 2, .top = 10});
  const std::string said = log.text();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].keyword, "joy");
  EXPECT_TRUE(found[0].seed);
  EXPECT_THAT(said, ::testing::HasSubstr("seed 'rare' is no candidate: 1 images have it, --min-images is 2"));
  EXPECT_THAT(said, ::testing::HasSubstr("seed 'awe' is no keyword of the collection"));
  std::size_t undecided = 0;
  EXPECT_THAT(read_categories(file("plain.txt", "Joy\n GRIEF\n CAFÉ\n"), undecided), ElementsAre("joy", "grief", "café"));
  const fs::path table = file("t.tsv", "yes\tJoy\t3\nno\tjoy\t2\n");
  EXPECT_EQ(error_of<DataError>([&] { read_categories(table, undecided); }),
            table.string() + ":2: keyword 'joy' is empty or stands twice");
}

TEST_F(CollectionTest, CategoryListsAreChecked) {
  std::size_t undecided = 0;
  EXPECT_THAT(read_categories(file("plain.txt", "joy\r\n\n# a note\ngrief"), undecided), ElementsAre("joy", "grief"));
  const auto text_of = [&](const std::string& text) {
    const fs::path path = file("bad.tsv", text);
    const std::string what = error_of<DataError>([&] { read_categories(path, undecided); });
    return what.substr(path.string().size());
  };
  EXPECT_EQ(text_of("yes\tjoy\t3\nmaybe\tgrief\t2\n"), ":2: 'maybe' in the first column; yes, no or ? is wanted");
  EXPECT_EQ(text_of("yes\tjoy\t3\nno\tjoy\t2\n"), ":2: keyword 'joy' is empty or stands twice");
  EXPECT_EQ(text_of("no\tjoy\t3\n"), ": no keyword is kept; put yes in the first column of those that name an emotion");
}

TEST_F(CollectionTest, AByteOrderMarkIsNoPartOfAWord) {
  std::size_t undecided = 0;
  EXPECT_THAT(read_categories(file("plain.txt", "\xef\xbb\xbfjoy\ngrief\n"), undecided), ElementsAre("joy", "grief"));
  EXPECT_THAT(read_categories(file("table.tsv", "\xef\xbb\xbfyes\tjoy\t3\n"), undecided), ElementsAre("joy"));
  EXPECT_THAT(Vocabulary::read(file("seeds.txt", "\xef\xbb\xbfjoy\ngrief\n")).words(), ElementsAre("joy", "grief"));
  EXPECT_EQ(error("\xef\xbb\xbf{\"image\": \"a\", \"keywords\": []}\n"), "no error");
}

TEST_F(CollectionTest, CuratedLinesAreAManifest) {
  Curator curator({.categories = {"grief", "joy", "awe"}});
  EXPECT_EQ(curator.curate(collection(), folder_.path() / "all.jsonl"), 2U);
  EXPECT_EQ(read_file(folder_.path() / "all.jsonl"),
            "{\"image\":\"1.jpg\",\"labels\":[\"joy\"],\"keywords\":[\"sky\",\"joy\",\"sea\"],\"box\":[1,2,3,4.5]}\n"
            "{\"image\":\"2.jpg\",\"labels\":[\"grief\",\"joy\"],\"keywords\":[\"sky\",\"grief\",\"joy\",\"sea\"]}\n");
  const CurateSummary& s = curator.summary();
  EXPECT_EQ(s.images, 5U);
  EXPECT_EQ(s.without_emotion, 1U);  // 3.jpg
  EXPECT_EQ(s.without_other, 1U);    // 4.jpg: nothing but emotions
  EXPECT_EQ(s.repeated, 1U);
  EXPECT_EQ(s.keywords, 7U);
  EXPECT_EQ(s.emotional, 3U);
  EXPECT_THAT(s.per_category, ElementsAre(1, 2, 0));
  write_text(folder_.path() / "dataset.yaml", "name: c\nclasses: [grief, joy, awe]\nsplits: {all: all.jsonl}\n");
  const Manifest manifest = Manifest::open(Dataset::open(folder_.path()), "all");
  EXPECT_THAT(manifest[1].labels, ElementsAre(0, 1));
  Curator strict({.categories = {"grief", "joy"}, .min_emotional = 2, .min_other = 0});
  EXPECT_EQ(strict.curate(collection(), folder_.path() / "two.jsonl"), 2U);  // 2.jpg and 4.jpg
}

TEST_F(CollectionTest, BoxesOfOneImageAreSeveralLines) {
  const fs::path people = file("people.jsonl",
                               "{\"image\": \"1.jpg\", \"box\": [1, 2, 3, 4], \"source\": \"a.jpg\", \"keywords\": [\"joy\"]}\n"
                               "{\"image\": \"1.jpg\", \"box\": [5, 2, 3, 4], \"keywords\": [\"joy\"]}\n"
                               "{\"image\": \"1.jpg\", \"box\": [5.0, 2, 3, 4], \"keywords\": [\"joy\"]}\n");
  Curator curator({.categories = {"joy"}, .min_other = 0});
  EXPECT_EQ(curator.curate(people, folder_.path() / "all.jsonl"), 2U);
  EXPECT_EQ(curator.summary().repeated, 1U);
  write_text(folder_.path() / "dataset.yaml", "name: c\nclasses: [joy]\nsplits: {all: all.jsonl}\n");
  EXPECT_EQ(Manifest::open(Dataset::open(folder_.path()), "all")[0].source, "a.jpg");
}

TEST_F(CollectionTest, OddCharactersSurvive) {
  const std::string image = R"(a\"b\\c\u0001\u00e9.jpg)";
  Curator curator({.categories = {"joy"}, .min_other = 0});
  curator.curate(file("odd.jsonl", "{\"image\": \"" + image + "\", \"keywords\": [\"joy\", \"caf\u00e9\"]}\n"),
                 folder_.path() / "o.jsonl");
  std::string seen;
  read_collection(folder_.path() / "o.jsonl", [&](const CollectionRecord& r) { seen = std::string(r.image) + r.keywords[1]; });
  EXPECT_EQ(seen, "a\"b\\c\x01\u00e9.jpgcaf\u00e9");
}

}  // namespace
}  // namespace emotion
