// Near-duplicates, splits and votes.
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
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "../support/scratch.h"
#include "emotion/data/annotations.h"
#include "emotion/data/decode.h"
#include "emotion/data/duplicates.h"
#include "emotion/data/near_duplicates.h"
#include "emotion/data/resize.h"
#include "emotion/data/split.h"
#include "emotion/data/stimulus_path.h"
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

/// The same pixels as tests/reference/make_hash_goldens.py makes.
Image formula_picture(int kind, std::int64_t width, std::int64_t height) {
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        std::int64_t value = 0;
        const std::int64_t dx = x - width / 3, dy = y - height / 2;
        switch (kind) {
          case 0: value = (x * 7919 + y * 104729 + c * 1299709) % 65537 * 31 % 256; break;
          case 1: value = (x * 255 / width * (c + 1) + y * 255 / height * (3 - c)) / 4; break;
          case 2: value = (dx * dx + dy * dy) * 4 / (width + height) % 256; break;
          case 3: value = 40 * (c + 1); break;
          case 4: value = x * 13 / (1 + width / 40) % 256; break;
          case 5: value = (std::abs(2 * x + 1 - width) * 17 + y * 29 + c * 5) % 256; break;
          default: value = x * 2 < width ? 30 : 220;
        }
        image.pixels.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return image;
}

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

void write_png(const fs::path& file, const Image& image) {
  fs::create_directories(file.parent_path());
  cv::Mat bgr;
  cv::cvtColor(cv::Mat(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data())), bgr,
               cv::COLOR_RGB2BGR);
  cv::imwrite(file.string(), bgr);
}

class CurationTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  Dataset dataset(const std::map<std::string, std::string>& splits) const {
    std::string yaml = "name: t\nclasses: [awe, fear, calm]\nsplits:\n";
    for (const auto& [split, lines] : splits) {
      yaml += fmt::format("  {0}: {0}.jsonl\n", split);
      write_text(root() / (split + ".jsonl"), lines);
    }
    write_text(root() / "dataset.yaml", yaml);
    return Dataset::open(root());
  }
  static std::string lines(int begin, int end, const char* format = "img/{}.png") {
    std::string text;
    for (int i = begin; i < end; ++i) text += "{\"image\": \"" + fmt::format(fmt::runtime(format), i) + "\"}\n";
    return text;
  }
  std::vector<std::string> images(const fs::path& data, const std::string& split) const {
    const Manifest manifest = Manifest::open(Dataset::open(data), split);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < manifest.size(); ++i) names.emplace_back(manifest[i].image);
    return names;
  }
  fs::path root() const { return folder_.path() / "data"; }
  fs::path out() const { return folder_.path() / "out"; }
  ScratchFolder folder_;
};

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

TEST_F(CurationTest, BadGroupFilesAreRefused) {
  const fs::path file = folder_.path() / "g.json";
  write_text(file, "{\"groups\": [[1]]}");
  EXPECT_EQ(error_of<DataError>([&] { read_duplicate_groups(file); }),
            file.string() + ": not a list of groups as emotion_data dedup --groups writes it");
}

TEST(AssignGroups, MeetsEveryTargetAndNeverPartsAGroup) {
  std::vector<std::uint32_t> group;
  for (std::uint32_t g = 0; g < 40; ++g) group.insert(group.end(), 1 + g % 7, g);
  for (std::uint32_t i = 0; i < 500; ++i) group.push_back(1000 + i);
  const std::vector<std::uint64_t> targets{400, 100, 57};
  std::set<std::vector<int>> seen;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto part = assign_groups(group, targets, seed);
    std::map<int, std::uint64_t> sizes;
    std::map<std::uint32_t, int> part_of_group;
    for (std::size_t i = 0; i < group.size(); ++i) {
      ++sizes[part[i]];
      EXPECT_EQ(part_of_group.emplace(group[i], part[i]).first->second, part[i]);
    }
    EXPECT_EQ(sizes[0], 400U);
    EXPECT_EQ(sizes[1], 100U);
    EXPECT_EQ(sizes[2], 57U);
    EXPECT_EQ(sizes[-1], group.size() - 557);
    EXPECT_EQ(part, assign_groups(group, targets, seed));
    seen.insert(part);
  }
  EXPECT_EQ(seen.size(), 20U);
}

// Every sample has the same chance: of 4 x 1000 draws a part of a quarter gets each single sample about 1000 times.
TEST(AssignGroups, IsFair) {
  const std::vector<std::uint32_t> group{0, 0, 1, 2, 3, 4, 5, 6};
  const std::vector<std::uint64_t> targets{2, 6};
  std::vector<int> hits(group.size());
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto part = assign_groups(group, targets, seed);
    for (std::size_t i = 0; i < group.size(); ++i) hits[i] += part[i] == 0;
  }
  for (const int hit : hits) EXPECT_NEAR(hit, 1000, 110);  // 4 standard deviations
}

TEST(ParseCounts, SumsAndRest) {
  EXPECT_THAT(parse_counts("*/33/71", 1000), ElementsAre(896, 33, 71));
  EXPECT_THAT(parse_counts("10/20", 1000), ElementsAre(10, 20));
  EXPECT_EQ(error_of<ConfigError>([] { parse_counts("10/x", 100); }),
            "counts '10/x': 'x' is no number of samples; 1000/50/* has the rest as its last part");
  EXPECT_EQ(error_of<ConfigError>([] { parse_counts("90/20", 100); }), "counts '90/20' add up to 110, there are 100 samples");
}

TEST_F(CurationTest, SplitKeepsGroupsAndKeysTogether) {
  std::string text;
  for (int person = 0; person < 20; ++person) {
    for (int shot = 0; shot < 5; ++shot) text += fmt::format("{{\"image\": \"p{}/s{}.png\"}}\n", person, shot);
  }
  const Dataset source = dataset({{"all", text}});
  write_text(folder_.path() / "groups.json",
             "{\"groups\": [[{\"image\": \"p3/s0.png\"}, {\"image\": \"p11/s4.png\"}, {\"image\": \"p0/gone.png\"}]]}");
  write_new_splits(source, {.ratio = "60/20/20", .groups = folder_.path() / "groups.json", .key = "(.*)/", .seed = 3}, out());
  std::map<std::string, std::set<std::string>> splits_of;
  std::size_t total = 0;
  for (const std::string split : {"train", "val", "test"}) {
    for (const auto& image : images(out(), split)) {
      splits_of[image.substr(0, image.find('/'))].insert(split);
      ++total;
    }
  }
  EXPECT_EQ(total, 100U);
  EXPECT_EQ(splits_of.size(), 20U);
  for (const auto& [person, splits] : splits_of) EXPECT_THAT(splits, SizeIs(1)) << person;
  EXPECT_EQ(splits_of["p3"], splits_of["p11"]);
  EXPECT_THAT(images(out(), "train"), SizeIs(60));
  EXPECT_EQ(error_of<DataError>([&] { write_new_splits(source, {.key = "q.*"}, folder_.path() / "other"); }),
            (root() / "all.jsonl").string() + ":1: image p0/s0.png does not match --key 'q.*'");
  EXPECT_EQ(error_of<ConfigError>([&] { write_new_splits(source, {}, out()); }),
            out().string() + ": there is a data set already; give another --out");
}

TEST_F(CurationTest, FoldsCoverEverySampleOnce) {
  write_new_splits(dataset({{"a", lines(0, 60)}, {"b", lines(60, 103)}}), {.folds = 4}, out());
  std::multiset<std::string> validated;
  for (int k = 1; k <= 4; ++k) {
    const auto val = images(out(), fmt::format("val-{}", k)), train = images(out(), fmt::format("train-{}", k));
    EXPECT_EQ(val.size() + train.size(), 103U);
    EXPECT_NEAR(static_cast<double>(val.size()), 25.75, 1);
    std::set<std::string> both(val.begin(), val.end());
    both.insert(train.begin(), train.end());
    EXPECT_THAT(both, SizeIs(103));
    validated.insert(val.begin(), val.end());
  }
  EXPECT_THAT(validated, SizeIs(103));
  EXPECT_THAT(std::set<std::string>(validated.begin(), validated.end()), SizeIs(103));
}

// Machajdik and Hanbury 2010, Sec. 5: each class is dealt into K batches. Of 23, 14 and 3 samples a fold of five has 4 or 5, 2 or
// 3, none or one.
TEST_F(CurationTest, FoldsDealEveryClassEvenly) {
  std::string text;
  const int counts[] = {23, 14, 3};
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < counts[k]; ++i) text += fmt::format("{{\"image\": \"{}-{}.png\", \"labels\": [{}]}}\n", k, i, k);
  }
  set_log_level(LogLevel::kInfo);
  set_log_file((folder_.path() / "log.txt").string());
  write_new_splits(dataset({{"all", text}}), {.folds = 5, .seed = 4}, out());
  set_log_file("");
  set_log_level(LogLevel::kOff);
  for (int fold = 1; fold <= 5; ++fold) {
    std::map<char, int> of_class;
    const auto val = images(out(), fmt::format("val-{}", fold));
    for (const auto& image : val) ++of_class[image[0]];
    for (int k = 0; k < 3; ++k) {
      const int n = of_class[static_cast<char>('0' + k)];
      EXPECT_GE(n, counts[k] / 5) << fold << " " << k;
      EXPECT_LE(n, (counts[k] + 4) / 5) << fold << " " << k;
    }
    EXPECT_THAT(val, SizeIs(8)) << "40 samples";
  }
  EXPECT_THAT(read_file(folder_.path() / "log.txt"), ::testing::HasSubstr("class calm has 3 samples, fewer than 5 folds"));
}

// Groups stay whole; what they leave uneven the single samples even out.
TEST(DealFolds, KeepsGroupsAndEvensOut) {
  std::vector<std::uint32_t> group, classes;
  for (std::uint32_t g = 0; g < 6; ++g) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      group.push_back(g);
      classes.push_back(g % 2);
    }
  }
  for (std::uint32_t i = 0; i < 42; ++i) {
    group.push_back(100 + i);
    classes.push_back(i % 2);
  }
  std::set<std::vector<int>> seen;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto fold = deal_folds(group, classes, 4, seed);
    std::map<std::uint32_t, int> of_group;
    std::map<std::pair<int, std::uint32_t>, int> held;
    for (std::size_t i = 0; i < group.size(); ++i) {
      EXPECT_EQ(of_group.emplace(group[i], fold[i]).first->second, fold[i]);
      ++held[{fold[i], classes[i]}];
    }
    for (int k = 0; k < 4; ++k) {
      for (const std::uint32_t cls : {0U, 1U}) EXPECT_NEAR((held[{k, cls}]), 7.5, 0.5) << seed;  // 30 of each class
    }
    seen.insert(fold);
  }
  EXPECT_EQ(seen.size(), 10U);
}

TEST_F(CurationTest, BoxesGoWithTheirPictures) {
  const Dataset source = dataset({{"train", lines(0, 6)}, {"val", lines(6, 9)}});
  const auto annotate = [&](const std::string& split, int begin, int end, std::vector<std::string> classes) {
    AnnotationWriter writer(std::move(classes));
    for (int i = begin; i < end; ++i) {
      writer.add(fmt::format("img/{}.png", i), 100 + i, 80,
                 {{{static_cast<float>(i), 1, 30, 40}, static_cast<std::uint32_t>(i % 2), 7.5, i == 3}});
    }
    writer.write(Annotations::file_of(source, split));
  };
  annotate("train", 0, 6, {"cat", "dog"});
  annotate("val", 6, 9, {"dog", "cat"});  // other ids
  write_new_splits(source, {.counts = "5/4"}, out());
  const auto check = [](const fs::path& data, const std::string& split) {
    const Manifest manifest = Manifest::open(Dataset::open(data), split);
    const Annotations annotations = Annotations::read(manifest);
    for (std::size_t s = 0; s < manifest.size(); ++s) {
      const int i = manifest[s].image[4] - '0';
      EXPECT_EQ(annotations.sizes[s], (std::array<int, 2>{100 + i, 80}));
      ASSERT_THAT(annotations.boxes[s], SizeIs(1));
      const AnnotatedBox& box = annotations.boxes[s][0];
      EXPECT_EQ(box.box, (std::array<float, 4>{static_cast<float>(i), 1, 30, 40}));
      EXPECT_EQ(annotations.classes[box.label], (i % 2 == 0) == (i < 6) ? "cat" : "dog") << i;
      EXPECT_EQ(box.area, 7.5);
      EXPECT_EQ(box.crowd, i == 3);
    }
  };
  check(out(), "train");
  check(out(), "val");

  for (int i = 0; i < 9; ++i)
    write_png(root() / fmt::format("img/{}.png", i), formula_picture(i == 8 ? 0 : i % 6, 40 + 7 * i, 40));
  const fs::path unique = folder_.path() / "unique";
  write_without_duplicates(source, find_duplicates(source, {.radius = 0}), unique);
  check(unique, "train");
  check(unique, "val");

  fs::remove(Annotations::file_of(source, "val"));
  EXPECT_EQ(error_of<DataError>([&] { write_new_splits(source, {.counts = "5/4", .seed = 2}, folder_.path() / "half"); }),
            Annotations::file_of(source, "val").string() +
                ": there are no annotations, and split train has some; a split cannot be made of both");
  EXPECT_FALSE(fs::exists(folder_.path() / "half/dataset.yaml"));
}

TEST_F(CurationTest, ASplitSetFindsTheFacesAndRegionsOfItsSource) {
  dataset({{"train", "{\"image\": \"1.png\", \"face\": \"faces/1.png\"}\n{\"image\": \"2.png\", \"face\": \"faces/2.png\"}\n"}});
  write_text(root() / "dataset.yaml", read_file(root() / "dataset.yaml") + "image_root: ../pictures\n");
  for (const char* name : {"1.png", "2.png"}) write_text(root() / "faces" / name, name);
  write_new_splits(Dataset::open(root()), {.counts = "1/1"}, out());
  write_new_splits(Dataset::open(out()), {.counts = "1/1"}, folder_.path() / "again");  // one step more
  for (const char* set : {"out", "again"}) {
    const Dataset found = Dataset::open(folder_.path() / set);
    const Manifest manifest = Manifest::open(found, "train");
    EXPECT_EQ(read_file(stimulus_path(found, manifest[0].face)), manifest[0].image) << set;
    EXPECT_EQ(found.stimuli_root, "../data") << set;
  }
}

// What was found anew for a derived set counts, under whatever name the source has its own.
TEST_F(CurationTest, OwnFacesComeBeforeTheSourcesAndThoseAmongThePictures) {
  dataset({{"train", "{\"image\": \"1.png\", \"face\": \"faces/1.png\"}\n{\"image\": \"2.png\", \"face\": \"faces/1.png\"}\n"}});
  const auto face = [](const fs::path& set) {
    const Dataset dataset = Dataset::open(set);
    return read_file(stimulus_path(dataset, Manifest::open(dataset, "train")[0].face));
  };
  write_text(root() / "faces/1.png", "among the pictures");  // the image root is the source's own folder
  write_new_splits(Dataset::open(root()), {.counts = "1/1"}, out());
  EXPECT_EQ(face(out()), "among the pictures");
  write_text(out() / "faces/1.png", "of the derived set");
  EXPECT_EQ(face(out()), "of the derived set");
  const fs::path again = folder_.path() / "again";
  write_new_splits(Dataset::open(out()), {.counts = "1/1"}, again);
  EXPECT_EQ(face(again), "of the derived set") << "of the set it was made from, before the pictures'";
  write_text(again / "faces/1.png", "its own");
  EXPECT_EQ(face(again), "its own");
  EXPECT_EQ(face(root()), "among the pictures");
}

TEST_F(CurationTest, CopiesLinesAsTheyStand) {
  const std::string line = "{\"image\": \"a.png\",  \"labels\": [2], \"keywords\": [\"s\\u00e9\", \"x\"]}";
  write_new_splits(dataset({{"train", "\n" + line + "\r\n\n" + lines(0, 3)}}), {.counts = "2/2"}, out());
  const std::string all = read_file(out() / "train.jsonl") + read_file(out() / "val.jsonl");
  EXPECT_NE(all.find(line + "\n"), std::string::npos);
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

}  // namespace
}  // namespace emotion
