#include <array>
#include <barrier>
#include <cmath>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/gzip.h"
#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"
#include "emotion/text/keywords.h"
#include "emotion/text/word2vec.h"

namespace emotion {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WordVectorsTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  std::string error(const std::string& bytes) const {
    write_text(folder_.path() / "w.bin", bytes);
    return error_without<DataError>(folder_.path(), [&] { WordVectors::open(folder_.path() / "w.bin"); });
  }
  static std::string floats(std::initializer_list<float> values) {
    return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
  }
  ScratchFolder folder_;
};

TEST_F(WordVectorsTest, BothFormsComeBack) {
  const WordVectors vectors = WordVectors::from_memory({"calm", "hot_air"}, {1, 2, 3, -0.1F, 1e-20F, 7}, 3);
  for (const char* name : {"w.bin", "w.txt"}) {
    std::string(name) == "w.bin" ? vectors.write_binary(folder_.path() / name) : vectors.write_text(folder_.path() / name);
    const WordVectors read = WordVectors::open(folder_.path() / name);
    ASSERT_EQ(read.size(), 2U) << name;
    std::vector<float> row(3);
    read.copy(*read.find("Hot Air"), row);
    EXPECT_THAT(row, ElementsAre(-0.1F, 1e-20F, 7)) << name;
    EXPECT_FALSE(read.find("cold").has_value());
  }
}

TEST(WordFormTest, ByHand) {
  EXPECT_EQ(word_form("hot air"), "hot_air");
  EXPECT_EQ(word_form(" \tHot \r\n Air_ "), "Hot_Air_");
  EXPECT_EQ(word_form("s\u00e9a"), "s\u00e9a");
  EXPECT_EQ(word_form(" \v\f"), "");
}

// A space within a word ended it: the file could not be read again, or gave other words and numbers.
TEST_F(WordVectorsTest, WordsWithSpacesComeBack) {
  const WordVectors vectors = WordVectors::from_memory({"hot air", " New  York", "sea", "café"}, {1, 2, 3, 4, 5, 6, 7, 8}, 2);
  vectors.write_binary(folder_.path() / "w.bin");
  vectors.write_text(folder_.path() / "w.txt");
  for (const char* name : {"w.bin", "w.txt"}) {
    const WordVectors read = WordVectors::open(folder_.path() / name);
    ASSERT_EQ(read.size(), 4U) << name;
    EXPECT_EQ(read.word(1), "New_York");
    std::vector<float> row(2);
    read.copy(read.find("New York").value(), row);
    EXPECT_THAT(row, ElementsAre(3, 4)) << name;
    EXPECT_EQ(read.find("hot air"), 0U);
    EXPECT_EQ(read.find("HOT  AIR"), 0U);
    EXPECT_EQ(read.find("Sea"), 2U);
    EXPECT_EQ(read.find("CAFÉ"), 3U);
    EXPECT_FALSE(read.find("new york").has_value()) << "letters are lower-cased, never raised";
  }
}

// Editors of Windows write one in front.
TEST_F(WordVectorsTest, AByteOrderMarkIsNoPartOfTheFirstWord) {
  const std::string mark = "\xef\xbb\xbf";
  for (const std::string& text : {std::string("calm 1 2\nstorm 3 4\n"), std::string("2 2\ncalm 1 2\nstorm 3 4\n"),
                                  "2 2\ncalm " + floats({1, 2}) + "storm " + floats({3, 4})}) {
    write_text(folder_.path() / "w.txt", mark + text);
    const WordVectors vectors = WordVectors::open(folder_.path() / "w.txt");
    ASSERT_EQ(vectors.size(), 2U);
    EXPECT_EQ(vectors.word(0), "calm");
    std::vector<float> row(2);
    vectors.copy(1, row);
    EXPECT_THAT(row, ElementsAre(3, 4));
  }
}

TEST_F(WordVectorsTest, GooglesBinaryByHand) {
  write_text(folder_.path() / "w.bin", "2 2\na " + floats({0, 1}) + "b " + floats({1, 1}));  // no line ends behind the rows
  const WordVectors vectors = WordVectors::open(folder_.path() / "w.bin");
  const std::vector<float> query{0, 2};
  const auto nearest = vectors.nearest(query, 5);
  ASSERT_EQ(nearest.size(), 2U);
  EXPECT_EQ(vectors.word(nearest[0].first), "a");
  EXPECT_NEAR(nearest[1].second, 1 / std::sqrt(2.0), 1e-6);
}

TEST_F(WordVectorsTest, BrokenFilesAreNamed) {
  EXPECT_EQ(error(""), "w.bin: the file is empty");
  EXPECT_EQ(error("2 3\na 1 2 3\n"), "w.bin: the header says 2 words, there are 1; the file may be truncated");
  EXPECT_EQ(error("1 3\na 1 2\n"), "w.bin:2: 'a' has 2 numbers, 3 are wanted");
  EXPECT_EQ(error("1 3\na 1 x 3\n"), "w.bin:2: number 2 of 'a' is not a finite number");
  EXPECT_EQ(error("1 3\na 1 nan 3\n"), "w.bin:2: number 2 of 'a' is not a finite number");
  EXPECT_THAT(error("99999999999 300\na " + floats({1})), HasSubstr("does not fit a file of"));
  EXPECT_THAT(error("2 2\na " + floats({0, 1}) + "b " + std::string(3, '\0')), HasSubstr("truncated"));
  EXPECT_EQ(error("2 2 33\xfd"), "w.bin: there are no word vectors in it") << "a header line without an end";
  write_text(folder_.path() / "w.bin", "1 2\na " + floats({NAN, 1}));
  const WordVectors vectors = WordVectors::open(folder_.path() / "w.bin");
  std::vector<float> row(2);
  EXPECT_THAT(error_of<DataError>([&] { vectors.copy(0, row); }), HasSubstr("w.bin: the vector of 'a' is not finite"));
}

// GloVe's 840B names its width nowhere, and some of its words hold blanks: a row's last fields are its numbers.
TEST_F(WordVectorsTest, WordsWithBlanksInGlovesForm) {
  const std::string rows =
      ". . . 0.25 -1 3\n"
      "sky 1 2 3 \n"
      "at name@domain.com 4 5 6\r\n"
      "0.5 7 8 9\n"
      "a\u0085b\u00a0c 10 11 12\n"
      "1 . 13 14 15";
  for (const std::string header : {"", "6 3\n"}) {
    write_text(folder_.path() / "glove.txt", header + rows);
    const WordVectors vectors = WordVectors::open(folder_.path() / "glove.txt");
    ASSERT_EQ(vectors.size(), 6U);
    ASSERT_EQ(vectors.dimension(), 3);
    std::vector<float> row(3);
    vectors.copy(vectors.find(". . .").value(), row);
    EXPECT_THAT(row, ElementsAre(0.25F, -1, 3));
    vectors.copy(vectors.find("at name@domain.com").value(), row);
    EXPECT_THAT(row, ElementsAre(4, 5, 6));
    vectors.copy(vectors.find("0.5").value(), row);
    EXPECT_THAT(row, ElementsAre(7, 8, 9));
    vectors.copy(vectors.find("a\u0085b\u00a0c").value(), row);
    EXPECT_THAT(row, ElementsAre(10, 11, 12));
    EXPECT_EQ(vectors.word(5), "1 .");
  }
  EXPECT_EQ(error("sky 1 2 3\nsea 4 5\n"), "w.bin:2: 'sea' has 2 numbers, 3 are wanted");
  EXPECT_EQ(error("sky 1 2\nsea 4 5 6\nsun 7 8\n"), "w.bin:2: 'sea' has 3 numbers, 2 are wanted");
  EXPECT_EQ(error("sea 4 5 6\nsky 1 2\nsun 7 8\n"), "w.bin:1: 'sea' has 3 numbers, 2 are wanted") << "as most have";
  EXPECT_EQ(error(". . . 1 x\nsky 1 2\n"), "w.bin:1: number 2 of '. . .' is not a finite number");
}

// Neither a count nor a width is believed before the file holds as much.
TEST_F(WordVectorsTest, ALyingHeaderReservesNothing) {
  const auto file = folder_.path() / "w.bin";
  const auto within = [&](const std::string& bytes) {
    write_text(file, bytes);
    return error_within(32, [&] { WordVectors::open(file); });
  };
  const std::string row = "a " + floats({1, 2});
  for (const char* header :
       {"18446744073709551615 2", "999999999999 300", "1 18446744073709551615", "1 2147483648", "0 2", "1 0"}) {
    EXPECT_EQ(
        within(header + std::string("\n") + row),
        fmt::format("3: {}: a header of {} words of {} numbers does not fit a file of {} bytes", file.string(),
                    std::string(header).substr(0, std::string(header).find(' ')),
                    std::string(header).substr(std::string(header).find(' ') + 1), std::string(header).size() + 1 + row.size()));
  }
  EXPECT_EQ(within("5 100000\n" + row),
            fmt::format("3: {}: truncated: 5 words of 100000 numbers do not fit 19 bytes", file.string()));
  EXPECT_EQ(within("1 2\n" + std::string(4 << 20, 'w')),
            fmt::format("3: {}:2: a word and its numbers are wanted", file.string()));
  EXPECT_EQ(within("1 2\n" + std::string(1 << 20, 'w') + " 1 x"),
            fmt::format("3: {}:2: number 2 of '{}' is not a finite number", file.string(), std::string(60, 'w')));
}

TEST_F(WordVectorsTest, PackedByGzip) {
  const auto file = folder_.path() / "w.bin.gz";
  for (const std::string& form : {"2 2\na " + floats({0, 1}) + "b " + floats({2, 3}), std::string("2 2\na 0 1\nb 2 3\n")}) {
    write_gzip(file, form);
    const WordVectors words = WordVectors::open(file);
    ASSERT_EQ(words.size(), 2U);
    std::vector<float> row(2);
    words.copy(words.find("b").value(), row);
    EXPECT_THAT(row, ::testing::ElementsAre(2, 3));
  }
  write_gzip(file, "1 2\na " + floats({NAN, 1}));
  std::vector<float> row(2);
  EXPECT_EQ(error_of<DataError>([&] { WordVectors::open(file).copy(0, row); }),
            file.string() + ": the vector of 'a' is not finite");
  const std::string whole = read_file(file);
  write_text(file, whole.substr(0, whole.size() - 9));
  EXPECT_EQ(error_of<DataError>([&] { WordVectors::open(file); }), file.string() + ": a damaged .gz file, or truncated");
  write_gzip(file, std::string(64 << 20, ' '));
  EXPECT_EQ(error_within(32, [&] { WordVectors::open(file); }),
            fmt::format("3: {0}: refused: {1} bytes unpack to more than {2}", file.string(), std::filesystem::file_size(file),
                        (16 << 20) + 30 * std::filesystem::file_size(file)));
}

/// Lists drawn from ten topics of eight words.
std::pair<std::vector<std::string>, std::vector<std::vector<std::uint32_t>>> topic_lists() {
  std::vector<std::string> words;
  for (int t = 0; t < 10; ++t) {
    for (int w = 0; w < 8; ++w) words.push_back(fmt::format("t{}w{}", t, w));
  }
  std::vector<std::vector<std::uint32_t>> lists;
  Random random{4};
  for (int i = 0; i < 1500; ++i) {
    const auto topic = static_cast<std::uint32_t>(random.below(10));
    auto& list = lists.emplace_back();
    for (int w = 0; w < 6; ++w) list.push_back(topic * 8 + static_cast<std::uint32_t>(random.below(8)));
  }
  return {words, lists};
}

/// Share of the five nearest words that are of a word's own topic.
double topic_share(const WordVectors& vectors) {
  std::vector<float> row(static_cast<std::size_t>(vectors.dimension()));
  int right = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    vectors.copy(i, row);
    const std::size_t self[] = {i};
    for (const auto& [other, score] : vectors.nearest(row, 5, self))
      right += vectors.word(other).substr(0, 2) == vectors.word(i).substr(0, 2);
  }
  return right / (5.0 * static_cast<double>(vectors.size()));
}

std::vector<float> values_of(const WordVectors& vectors) {
  const auto d = static_cast<std::size_t>(vectors.dimension());
  std::vector<float> all(vectors.size() * d);
  for (std::size_t i = 0; i < vectors.size(); ++i) vectors.copy(i, std::span(all).subspan(i * d, d));
  return all;
}

TEST(Word2VecTest, WordsOfATopicBecomeNeighbours) {
  set_log_level(LogLevel::kOff);
  const auto [words, lists] = topic_lists();
  EXPECT_GT(
      topic_share(train_word2vec(words, lists, {.dimension = 32, .window = 0, .epochs = 5, .min_count = 1, .subsample = 0})),
      0.9);
}

/// What processes do for one another, done by threads of this one: each waits until all have come.
class Meeting {
 public:
  explicit Meeting(int size) : size_(size), barrier_(size) {}
  Word2VecPeers peers(int rank) {
    return {.rank = rank,
            .size = size_,
            .sum = [this, rank](std::span<float> values) { sum(rank, values); },
            .any = [](bool value) { return value; }};
  }

 private:
  void sum(int rank, std::span<float> values) {
    if (rank == 0) total_.assign(values.size(), 0);
    barrier_.arrive_and_wait();
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < values.size(); ++i) total_[i] += values[i];
    }
    barrier_.arrive_and_wait();
    std::copy(total_.begin(), total_.end(), values.begin());
    barrier_.arrive_and_wait();
  }
  int size_;
  std::barrier<> barrier_;
  std::mutex mutex_;
  std::vector<float> total_;
};

// Each thread has its share of the lists: with fewer it would be another training.
TEST(Word2VecTest, ThreadsThatCannotBeStartedEndIt) {
  if (!kMemoryIsLimited) GTEST_SKIP() << "a sanitizer maps what it likes";
  set_log_level(LogLevel::kOff);
  const auto [words, lists] = topic_lists();
  const std::string error =
      error_within(100, [&, &w = words, &l = lists] { train_word2vec(w, l, {.dimension = 8, .min_count = 1, .threads = 64}); });
  EXPECT_THAT(error,
              ::testing::MatchesRegex("1: word2vec: [0-9]+ of 64 threads can be started: Resource temporarily unavailable; "
                                      "give fewer --threads"));
}

TEST(Word2VecTest, ProcessesTogetherLearnTheSameTopicsAndAgree) {
  set_log_level(LogLevel::kOff);
  const auto topics = topic_lists();
  const auto& words = topics.first;
  const auto& lists = topics.second;
  Meeting meeting(2);
  std::array<std::optional<WordVectors>, 2> found;
  const auto train = [&](int rank) {
    const Word2VecOptions options{.dimension = 32, .window = 0, .epochs = 5, .min_count = 1, .subsample = 0, .threads = 1};
    found[static_cast<std::size_t>(rank)] = train_word2vec(words, lists, options, meeting.peers(rank));
  };
  std::thread other([&] { train(1); });
  train(0);
  other.join();
  EXPECT_EQ(values_of(*found[0]), values_of(*found[1]));
  EXPECT_GT(topic_share(*found[0]), 0.9);
}

TEST(Word2VecTest, AWordThatOneProcessAloneSawMovesAsFarAsThere) {
  set_log_level(LogLevel::kOff);
  // Rank 0 has every even list. The other process has none of these words: what it adds is nothing, from nobody.
  const auto [words, lists] = topic_lists();
  std::vector<std::vector<std::uint32_t>> even, halved;
  for (std::size_t i = 0; i < lists.size(); i += 2) {
    even.push_back(lists[i]);
    halved.push_back(lists[i]);
    halved.emplace_back();
  }
  const Word2VecOptions options{.dimension = 16, .epochs = 1, .min_count = 1, .subsample = 0, .threads = 1};
  const Word2VecPeers silent{.rank = 0, .size = 2, .sum = [](std::span<float>) {}, .any = [](bool value) { return value; }};
  // Four parts of an epoch have random numbers of their own: lengths are compared, not bits.
  const auto length = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v) * v;
    return std::sqrt(sum);
  };
  const double alone = length(values_of(train_word2vec(words, even, options)));
  EXPECT_NEAR(length(values_of(train_word2vec(words, halved, options, silent))), alone, 0.05 * alone);
}

TEST(Word2VecTest, AnInterruptedTrainingEndsWithTheSameBits) {
  set_log_level(LogLevel::kOff);
  const auto topics = topic_lists();
  const auto& words = topics.first;
  const auto& lists = topics.second;
  const ScratchFolder folder;
  Word2VecOptions options{.dimension = 16, .epochs = 3, .min_count = 1, .threads = 1, .state = folder.path() / "state"};
  options.save_seconds = 0;
  // Twelve parts; stopped in the eighth, which is in the second epoch.
  const auto train = [&](int stop) {
    int parts = 0;
    const Word2VecPeers peers{.rank = 0, .size = 2, .sum = [](std::span<float>) {}, .any = [&](bool) { return ++parts == stop; }};
    return train_word2vec(words, lists, options, peers);
  };
  const auto whole = values_of(train(0));
  EXPECT_TRUE(std::filesystem::exists(options.state)) << "the result is on no disk yet";
  std::filesystem::remove(options.state);
  EXPECT_THAT(error_of<Interrupted>([&] { train(8); }), HasSubstr("the same command goes on where it last saved"));
  ASSERT_TRUE(std::filesystem::exists(options.state));
  EXPECT_EQ(values_of(train(6)), whole) << "five parts were left";
  EXPECT_EQ(values_of(train(2)), whole) << "the last part once more, as after a disk that was full";
  std::filesystem::remove(options.state);

  // Of another training: nothing of it is used.
  EXPECT_THAT(error_of<Interrupted>([&] { train(8); }), HasSubstr("interrupted"));
  options.seed = 2;
  const auto other = values_of(train(0));
  EXPECT_NE(other, whole);
  std::filesystem::remove(options.state);
  EXPECT_EQ(values_of(train(0)), other);
}

TEST(Word2VecTest, OneThreadAndOneSeedGiveTheSameBits) {
  set_log_level(LogLevel::kOff);
  const auto topics = topic_lists();
  const auto& words = topics.first;
  const auto& lists = topics.second;
  const auto first = [&](std::uint64_t seed) {
    const WordVectors vectors =
        train_word2vec(words, lists, {.dimension = 16, .epochs = 1, .min_count = 1, .threads = 1, .seed = seed});
    std::vector<float> row(16);
    vectors.copy(3, row);
    return row;
  };
  EXPECT_EQ(first(1), first(1));
  EXPECT_NE(first(1), first(2));
  EXPECT_THAT(error_of<DataError>([&] { train_word2vec({"a"}, {{0}}, {.min_count = 5}); }),
              HasSubstr("no word stands 5 times or more in 1 keyword lists"));
}

// The rate falls to min_alpha, which is 1e-4, and never rises to it.
TEST(Word2VecTest, ASmallRateStaysSmall) {
  set_log_level(LogLevel::kOff);
  const auto topics = topic_lists();
  const auto& words = topics.first;
  const auto& lists = topics.second;
  const auto train = [&](double alpha, double min_alpha) {
    return values_of(train_word2vec(
        words, lists, {.dimension = 16, .epochs = 1, .min_count = 1, .alpha = alpha, .min_alpha = min_alpha, .threads = 1}));
  };
  const auto start = train(1e-12, 1e-12);
  const auto movement = [&](const std::vector<float>& values) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += std::pow(static_cast<double>(values[i]) - start.at(i), 2);
    return std::sqrt(sum);
  };
  EXPECT_LT(movement(train(1e-6, 1e-4)), 0.05 * movement(train(1e-4, 1e-4)));
}

// 1e30 is no learning rate: the first steps overflow.
TEST(Word2VecTest, VectorsThatAreNoNumbersEndIt) {
  set_log_level(LogLevel::kOff);
  const auto topics = topic_lists();
  const auto& words = topics.first;
  const auto& lists = topics.second;
  Word2VecOptions options{.dimension = 16, .epochs = 5, .min_count = 1, .alpha = 1e30, .threads = 1};
  EXPECT_EQ(error_of<RunError>([&] { train_word2vec(words, lists, options); }),
            "word2vec: in epoch 1 the vectors are no longer finite numbers; nothing was written; lower --alpha (1e+30)");
  options.min_count = -1;
  EXPECT_THAT(error_of<ConfigError>([&] { train_word2vec(words, lists, options); }), HasSubstr("min-count at least 0"));
}

TEST_F(WordVectorsTest, AWordThatStandsTwiceIsNoNeighbourOfItself) {
  set_log_level(LogLevel::kOff);
  const WordVectors vectors = WordVectors::from_memory({"joy", "fear", "joy"}, {1, 0, 0, 1, 1, 0.1F}, 2);
  const std::vector<float> query{1, 0};
  const std::size_t self[] = {0};
  const auto found = vectors.nearest(query, 5, self);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].first, 1U);
}

// Spellings that a file cannot tell apart: counted together, and the same vectors as if they had been spelt alike.
TEST(Word2VecTest, SpellingsOfOneFormAreOneWord) {
  set_log_level(LogLevel::kOff);
  const Word2VecOptions options{.dimension = 4, .epochs = 2, .min_count = 3, .threads = 1};
  const WordVectors mixed = train_word2vec({"sea", "hot air", "hot_air", " hot  air", "Sea", " "},
                                           {{0, 1, 0}, {2, 0, 5}, {3, 4}, {4, 0, 4}, {5, 5}}, options),
                    alike = train_word2vec({"sea", "hot_air", "Sea"}, {{0, 1, 0}, {1, 0}, {1, 2}, {2, 0, 2}, {}}, options);
  ASSERT_EQ(mixed.size(), 3U) << "hot air stands three times in all";
  ASSERT_EQ(alike.size(), 3U);
  std::vector<float> one(4), other(4);
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(mixed.word(row), alike.word(row));
    mixed.copy(row, one);
    alike.copy(row, other);
    EXPECT_EQ(one, other);
  }
  EXPECT_EQ(mixed.word(0), "sea");
  EXPECT_EQ(mixed.word(1), "Sea") << "3 times, as hot_air";
  EXPECT_EQ(error_of<DataError>([&] {
              train_word2vec({" "}, {{0, 0, 0}}, options);
            }),
            "word2vec: no word stands 3 times or more in 1 keyword lists; lower --min-count");
}

TEST(KeywordEncoderTest, DropsEmotionsAndRepeatsAndPads) {
  const ScratchFolder folder;
  write_text(folder.path() / "dataset.yaml", "classes: [awe]\nsplits: {train: t.jsonl}\n");
  write_text(folder.path() / "t.jsonl",
             "{\"image\": \"a\", \"keywords\": [\"sky\", \"awe\", \"new\", \"sky\", \"sea\"]}\n{\"image\": \"b\", \"keywords\": "
             "[\"awe\"]}\n");
  const Manifest manifest = Manifest::open(Dataset::open(folder.path()), "train");
  const Vocabulary vocabulary({"sea", "sky"});
  std::vector<std::int64_t> ids(4);
  const KeywordEncoder encoder(manifest, vocabulary, {"awe"}, 4);
  EXPECT_EQ(encoder.encode(0, ids.data()), 3);
  EXPECT_THAT(ids, ElementsAre(1, 2, 0, 3)) << "sky, unknown, sea, padding";
  EXPECT_EQ(encoder.encode(1, ids.data()), 0);
  EXPECT_EQ(KeywordEncoder(manifest, vocabulary, {"awe"}, 2).encode(0, ids.data()), 2) << "the first max_keywords";
  const KeywordVectors vectors(manifest, WordVectors::from_memory({"sky", "awe"}, {1, 2, 3, 4}, 2));
  std::vector<float> mean(2);
  EXPECT_TRUE(vectors.mean(0, mean.data()));
  EXPECT_THAT(mean, ElementsAre(2, 3)) << "emotion words count, repeats and unknown words do not";
  EXPECT_EQ(vectors.coverage(), 0.5);
}

TEST(VocabularyTest, ErrorsNameTheLine) {
  const ScratchFolder folder;
  const auto file = folder.path() / "v.txt";
  write_text(file, "a\nb\na\n");
  EXPECT_EQ(error_of<DataError>([&] { Vocabulary::read(file); }), file.string() + ":3: 'a' stands in line 1 as well");
  write_text(file, "a\n\nb\n");
  EXPECT_EQ(error_of<DataError>([&] { Vocabulary::read(file); }), file.string() + ":2: an empty line; one word a line is wanted");
  write_text(file, "caf\xc3\xa9\nm\xe8re\n");
  EXPECT_EQ(error_of<DataError>([&] { Vocabulary::read(file); }),
            file.string() + ":2: 'm\\xe8re' is not UTF-8; save the file as that");
  EXPECT_EQ(Vocabulary({"x", "y"}).find("y"), 1U);
  EXPECT_EQ(Vocabulary({"hot_air", "y"}).find("hot air"), 0U) << "a vocabulary of emotion_text word2vec";
  EXPECT_EQ(Vocabulary({"hot_air", "hot air"}).find("hot air"), 1U);
  EXPECT_EQ(Vocabulary({"hot_air", "y"}).find("Hot Air"), 0U) << "as word vectors are looked up";
  EXPECT_EQ(Vocabulary({"y", "Y"}).find("Y"), 1U);
}

}  // namespace
}  // namespace emotion
