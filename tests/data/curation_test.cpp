// Near-duplicates and votes.
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/flip_image.h"
#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "curation_support.h"
#include "emotion/data/decode.h"
#include "emotion/data/duplicates.h"
#include "emotion/data/near_duplicates.h"
#include "emotion/data/resize.h"
#include "emotion/data/votes.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using CurationTest = CurationFixture;

TEST(PerceptualHash, EqualsImagehash) {
  const auto golden = nlohmann::json::parse(read_file(fs::path(EMOTION_TEST_DATA) / "fixtures/picture_hashes.json"));
  ASSERT_EQ(golden.size(), 98U);
  for (const auto& entry : golden) {
    const PictureHash hash = perceptual_hash(formula_picture(entry[0], entry[1], entry[2]));
    EXPECT_EQ(fmt::format("{:016x}", hash.plain), entry[3].get<std::string>()) << entry;
    EXPECT_EQ(fmt::format("{:016x}", hash.mirrored), entry[4].get<std::string>()) << entry;
  }
}

std::uint64_t flip_bits(std::uint64_t hash, int count, Random& random) {
  std::uint64_t mask = 0;
  while (std::popcount(mask) < count) mask |= std::uint64_t{1} << random.below(64);
  return hash ^ mask;
}

std::set<NearPair> all_near_pairs(const std::vector<std::uint64_t>& hashes, int radius) {
  std::set<NearPair> pairs;
  for (std::uint32_t i = 0; i < hashes.size(); ++i) {
    for (std::uint32_t j = i + 1; j < hashes.size(); ++j) {
      if (std::popcount(hashes[i] ^ hashes[j]) <= radius) pairs.emplace(i, j);
    }
  }
  return pairs;
}

// Random hashes with neighbours planted at every distance around the radius; all pairs by brute force are the truth.
TEST(NearPairs, EqualBruteForceAtEveryRadius) {
  for (int radius = 0; radius <= 32; ++radius) {
    for (const std::size_t count : {2, 3, 60, 500}) {
      Random random{7, static_cast<std::uint64_t>(radius), count};
      std::vector<std::uint64_t> hashes;
      while (hashes.size() < count) {
        const std::uint64_t hash = random();
        hashes.push_back(hash);
        for (int distance = std::max(0, radius - 2); distance <= radius + 2 && hashes.size() < count; ++distance)
          hashes.push_back(flip_bits(hash, distance, random));
      }
      std::multiset<NearPair> found;
      near_pairs(hashes, radius, 2, [&](std::span<const NearPair> pairs) { found.insert(pairs.begin(), pairs.end()); });
      const auto truth = all_near_pairs(hashes, radius);
      ASSERT_EQ(found, std::multiset<NearPair>(truth.begin(), truth.end())) << "radius " << radius << ", " << count;
    }
  }
}

// Hashes as alike as those of real pictures can be: only a few bits vary at all.
TEST(NearPairs, EqualBruteForceWhereMostBitsAreEqual) {
  Random random{8};
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 400; ++i) hashes.push_back(0xf0f0'0000'1234'0000ULL ^ (random() & random() & random() & 0xffff'00ffULL));
  for (const int radius : {0, 1, 4, 9}) {
    std::set<NearPair> found;
    near_pairs(hashes, radius, 1, [&](std::span<const NearPair> pairs) { found.insert(pairs.begin(), pairs.end()); });
    EXPECT_EQ(found, all_near_pairs(hashes, radius)) << radius;
  }
}

// A measurement, not a check: data_test --gtest_also_run_disabled_tests --gtest_filter='*OneMillion*'
TEST(NearPairs, DISABLED_OneMillionHashes) {
  Random random{9};
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 900'000; ++i) hashes.push_back(random());
  for (int i = 0; i < 100'000; ++i) hashes.push_back(flip_bits(hashes[static_cast<std::size_t>(i)], i % 5, random));
  for (const int radius : {4, 8}) {
    std::size_t pairs = 0;
    const auto begin = std::chrono::steady_clock::now();
    near_pairs(hashes, radius, 2, [&](std::span<const NearPair> found) { pairs += found.size(); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print("1,000,000 hashes, radius {}: {:.2f} s, {} pairs, 100000 planted\n", radius, seconds, pairs);
    EXPECT_GE(pairs, 100'000U);
  }
}

TEST(NearPairs, RadiusHasBounds) {
  const std::vector<std::uint64_t> hashes{1, 2};
  EXPECT_EQ(error_of<ConfigError>([&] { near_pairs(hashes, 33, 1, [](auto) {}); }), "radius is 33, 0 to 32 bits are possible");
  EXPECT_EQ(error_of<ConfigError>([&] { near_pairs(hashes, -1, 1, [](auto) {}); }), "radius is -1, 0 to 32 bits are possible");
}

TEST(NearDuplicateGroups, JoinChainsAndMirrorImages) {
  const std::uint64_t a = 0x0123'4567'89ab'cdefULL, far = ~a, mirror = 0xfedc'0123'7777'1111ULL;
  // 0 - 1 - 2 is a chain: 0 and 2 are 4 bits apart. 3 stands alone; 4 shows what 5 shows mirrored.
  const std::vector<PictureHash> hashes{
      {a, 1}, {a ^ 3, 2}, {a ^ 15, 3}, {far, 1000}, {mirror, ~far ^ 0xffff}, {0x5555'0000'ffff'3333ULL, mirror ^ 1}};
  EXPECT_THAT(near_duplicate_groups(hashes, 2, false, 1), ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_THAT(near_duplicate_groups(hashes, 2, true, 1), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(4, 5)));
  EXPECT_THAT(near_duplicate_groups(hashes, 1, false, 1), IsEmpty());
}

// Two pictures with equal mirror hashes are no pair by that alone; only if a picture is near to it.
TEST(NearDuplicateGroups, EqualMirrorHashesJoinNothingByThemselves) {
  const std::vector<PictureHash> apart{{0, ~0ULL}, {0xffff'ffffULL, ~0ULL}};
  EXPECT_THAT(near_duplicate_groups(apart, 3, true, 1), IsEmpty());
  const std::vector<PictureHash> joined{{0, ~0ULL}, {0xffff'ffffULL, ~0ULL}, {~0ULL ^ 1, 0x00ff'00ff'00ff'00ffULL}};
  EXPECT_THAT(near_duplicate_groups(joined, 3, true, 1), ElementsAre(ElementsAre(0, 1, 2)));
}

TEST_F(CurationTest, DedupKeepsTheLargestAndNoPictureInTwoSplits) {
  const Image scene = decode_image(fs::path(EMOTION_TEST_DATA) / "fixtures/photo.jpg");  // 300 x 233
  write_png(root() / "img/0.png", resize_image(scene, 64, 48));
  write_png(root() / "img/1.png", resize_image(scene, 100, 75));
  write_png(root() / "img/2.png", scene);  // the largest of the three, and in val as well
  write_png(root() / "img/3.png", formula_picture(0, 90, 60));
  write_png(root() / "img/4.png", flip_image(resize_image(scene, 80, 60)));
  write_text(root() / "img/5.png", "no picture");
  const Dataset source = dataset({{"train", lines(0, 4)}, {"val", lines(2, 3) + lines(4, 6)}});
  const DuplicateReport plain = find_duplicates(source, {.radius = 8});
  ASSERT_THAT(plain.groups, SizeIs(1));
  EXPECT_THAT(plain.groups[0].pictures, ElementsAre(2, 0, 1));
  EXPECT_EQ(plain.unreadable, 1U);
  const DuplicateReport mirrored = find_duplicates(source, {.radius = 8, .mirrored = true});
  ASSERT_THAT(mirrored.groups, SizeIs(1));
  EXPECT_THAT(mirrored.groups[0].pictures, ElementsAre(2, 0, 1, 4));
  EXPECT_TRUE(mirrored.distance(2, 4).second);
  EXPECT_EQ(mirrored.dropped(), 3U);

  write_without_duplicates(source, plain, out());
  EXPECT_THAT(images(out(), "train"), ElementsAre("img/2.png", "img/3.png"));
  EXPECT_THAT(images(out(), "val"), ElementsAre("img/4.png", "img/5.png"));
  EXPECT_TRUE(fs::exists(Manifest::open(Dataset::open(out()), "train").image_path(0)));
  write_duplicate_groups(mirrored, out() / "groups.json");
  EXPECT_THAT(read_duplicate_groups(out() / "groups.json"),
              ElementsAre(ElementsAre("img/2.png", "img/0.png", "img/1.png", "img/4.png")));
}

TEST_F(CurationTest, HashesAreReadFromTheirFileUntilThePictureChanges) {
  write_png(root() / "img/0.png", formula_picture(2, 64, 48));
  const Dataset source = dataset({{"train", lines(0, 1)}});
  const std::uint64_t first = hash_pictures(source, 1)[0].hash.plain;
  const fs::path file = root() / "hashes.tsv";
  std::string text = read_file(file);
  const std::string wrong = "0123456789abcdef";
  text.replace(text.find(fmt::format("{:016x}", first)), 16, wrong);
  write_text(file, text + "77\t8");  // a run was killed in its line
  EXPECT_EQ(hash_pictures(source, 1)[0].hash.plain, 0x0123456789abcdefULL);
  write_png(root() / "img/0.png", formula_picture(0, 64, 49));
  const std::uint64_t second = hash_pictures(source, 1)[0].hash.plain;
  EXPECT_EQ(second, perceptual_hash(formula_picture(0, 64, 49)).plain);
  EXPECT_EQ(hash_pictures(source, 1)[0].hash.plain, second);
  write_text(file, "something else\n");
  EXPECT_EQ(hash_pictures(source, 1)[0].hash.plain, second);
}

TEST_F(CurationTest, HashesOfASetThatCanOnlyBeReadAreUsed) {
  write_png(root() / "img/0.png", formula_picture(2, 64, 48));
  const Dataset source = dataset({{"train", lines(0, 1)}});
  const std::uint64_t hash = hash_pictures(source, 1)[0].hash.plain;
  const fs::path file = root() / "hashes.tsv";
  write_text(file, read_file(file) + "77\t8");  // a run was killed in its line
  fs::permissions(file, fs::perms::owner_read);
  if (::access(file.c_str(), W_OK) == 0) GTEST_SKIP() << "root may write everything";
  EXPECT_EQ(hash_pictures(source, 1)[0].hash.plain, hash);
}

TEST_F(CurationTest, APictureForWhichMemoryEndsIsNotABrokenOne) {
  if (!kMemoryIsLimited) GTEST_SKIP() << "a sanitizer maps what it likes";
  write_text(root() / "img/0.png", large_gif());
  const Dataset source = dataset({{"train", lines(0, 1)}});
  EXPECT_EQ(error_within(64, [&] { hash_pictures(source, 1); }), "not one of ours: std::bad_alloc");
}

TEST_F(CurationTest, BadGroupFilesAreRefused) {
  const fs::path file = folder_.path() / "g.json";
  write_text(file, "{\"groups\": [[1]]}");
  EXPECT_EQ(error_of<DataError>([&] { read_duplicate_groups(file); }),
            file.string() + ": not a list of groups as emotion_data dedup --groups writes it");
}

TEST(Votes, MajorityNeedsEnoughAndNoTie) {
  using Ids = std::vector<std::uint32_t>;
  EXPECT_EQ(majority_vote(Ids{0, 0, 1, 0, 2}, 3), 0U);
  EXPECT_EQ(majority_vote(Ids{0, 0, 1, 2, 4}, 3), std::nullopt);
  EXPECT_EQ(majority_vote(Ids{0, 0, 1, 2, 4}, 2), 0U);
  EXPECT_EQ(majority_vote(Ids{0, 0, 1, 1, 4}, 2), std::nullopt);
  EXPECT_EQ(majority_vote(Ids{}, 1), std::nullopt);
}

// The worked example of Fleiss' kappa: 10 subjects, 14 raters, 5 categories; P = 0.378, Pe = 0.213, kappa = 0.210.
TEST(Votes, FleissKappaOfThePublishedExample) {
  const std::vector<std::vector<int>> table{{0, 0, 0, 0, 14}, {0, 2, 6, 4, 2}, {0, 0, 3, 5, 6}, {0, 3, 9, 2, 0}, {2, 2, 8, 1, 1},
                                            {7, 7, 0, 0, 0},  {3, 2, 6, 3, 0}, {2, 5, 3, 2, 2}, {6, 5, 2, 1, 0}, {0, 2, 2, 3, 7}};
  std::vector<std::vector<std::uint32_t>> items;
  for (const auto& row : table) {
    auto& votes = items.emplace_back();
    for (std::uint32_t j = 0; j < 5; ++j) votes.insert(votes.end(), static_cast<std::size_t>(row[j]), j);
  }
  const Agreement agreement = vote_agreement(items, 5);
  EXPECT_NEAR(agreement.observed, 0.378, 5e-4);
  EXPECT_NEAR(agreement.expected, 0.213, 5e-4);
  EXPECT_NEAR(agreement.kappa, 0.210, 5e-4);
  EXPECT_THAT(agreement.votes, ElementsAre(20, 28, 39, 21, 32));
  EXPECT_DOUBLE_EQ(agreement.at_least[7], 0.5);  // the largest votes are 14 6 6 9 8 7 6 5 6 7
  EXPECT_DOUBLE_EQ(agreement.at_least[14], 0.1);
}

TEST(Votes, AgreementWithoutChanceHasNoKappa) {
  EXPECT_TRUE(std::isnan(vote_agreement({{1, 1}, {1, 1, 1}}, 3).kappa));
  EXPECT_TRUE(std::isnan(vote_agreement({{1}, {}}, 3).kappa));
}

TEST_F(CurationTest, VoteWritesMajorities) {
  const Dataset source =
      dataset({{"train",
                "{\"image\": \"a\", \"votes\": [\"fear\", \"fear\", \"awe\", \"fear\", \"calm\"], \"keywords\": [\"k\"]}\n"
                "{\"image\": \"b\", \"votes\": [\"fear\", \"fear\", \"awe\", \"awe\", \"calm\"]}\n"
                "{\"image\": \"c\", \"votes\": [0, 0, 1, 2], \"labels\": [1]}\n"
                "{\"image\": \"d\"}\n"}});
  const VoteSummary summary = write_majority(source, 3, out());
  EXPECT_EQ(summary.samples, 4U);
  EXPECT_EQ(summary.kept, 1U);
  EXPECT_EQ(summary.tied, 1U);
  EXPECT_EQ(summary.below, 1U);
  EXPECT_EQ(summary.without, 1U);
  EXPECT_EQ(
      read_file(out() / "train.jsonl"),
      "{\"image\":\"a\",\"labels\":[\"fear\"],\"keywords\":[\"k\"],\"votes\":[\"fear\",\"fear\",\"awe\",\"fear\",\"calm\"]}\n");
  EXPECT_EQ(error_of<DataError>([&] { write_majority(source, 4, folder_.path() / "other"); }),
            (root() / "train.jsonl").string() + ": no sample has a majority of 4 votes");
}

TEST_F(CurationTest, ASplitWithoutMajoritiesLeavesNothingOfTheOthers) {
  const Dataset source = dataset({{"train", "{\"image\": \"a\", \"votes\": [0, 0]}\n"}, {"val", "{\"image\": \"b\"}\n"}});
  EXPECT_EQ(error_of<DataError>([&] { write_majority(source, 2, out()); }),
            (root() / "val.jsonl").string() + ": no sample has a majority of 2 votes");
  EXPECT_TRUE(fs::is_empty(out()));
}

}  // namespace
}  // namespace emotion
