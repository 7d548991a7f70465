// Parts of data sets: by share, number and fold; what belongs together stays together.
#include "emotion/data/split.h"

#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "curation_support.h"
#include "emotion/data/annotations.h"
#include "emotion/data/duplicates.h"
#include "emotion/data/import_shards.h"
#include "emotion/data/pack.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/io/tar.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using SplitTest = CurationFixture;

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

TEST_F(SplitTest, SplitKeepsGroupsAndKeysTogether) {
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

TEST_F(SplitTest, FoldsCoverEverySampleOnce) {
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
TEST_F(SplitTest, FoldsDealEveryClassEvenly) {
  std::string text;
  const int counts[] = {23, 14, 3};
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < counts[k]; ++i) text += fmt::format("{{\"image\": \"{}-{}.png\", \"labels\": [{}]}}\n", k, i, k);
  }
  LogCapture log(LogLevel::kInfo);
  write_new_splits(dataset({{"all", text}}), {.folds = 5, .seed = 4}, out());
  const std::string said = log.text();
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
  EXPECT_THAT(said, ::testing::HasSubstr("class calm has 3 samples, fewer than 5 folds"));
}

// Largest remainders of 50/30/20: 7 samples are 3.5, 2.1 and 1.4, so 4, 2, 1; 3 are 1.5, 0.9 and 0.6, so 1, 1, 1.
TEST(StratifyGroups, DividesEachClassByLargestRemainder) {
  std::vector<std::uint32_t> classes(7, 0), alone;
  classes.insert(classes.end(), 3, 9);
  for (std::uint32_t i = 0; i < classes.size(); ++i) alone.push_back(i);
  const std::vector<double> shares{5, 3, 2};
  std::set<std::vector<int>> seen;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto part = stratify_groups(alone, classes, shares, seed);
    std::map<std::pair<std::uint32_t, int>, int> count;
    for (std::size_t i = 0; i < part.size(); ++i) ++count[{classes[i], part[i]}];
    EXPECT_EQ(count, (decltype(count){{{0, 0}, 4}, {{0, 1}, 2}, {{0, 2}, 1}, {{9, 0}, 1}, {{9, 1}, 1}, {{9, 2}, 1}}));
    EXPECT_EQ(part, stratify_groups(alone, classes, shares, seed));
    seen.insert(part);
  }
  EXPECT_GT(seen.size(), 10U);
}

// Of 60 samples of each class in groups of one to three each part gets its share, and no group is parted.
TEST(StratifyGroups, KeepsGroups) {
  std::vector<std::uint32_t> group, classes;
  for (std::uint32_t g = 0; g < 60; ++g) {
    for (std::uint32_t i = 0; i < 1 + g % 3; ++i) {
      group.push_back(g);
      classes.push_back(g / 3 % 2);
    }
  }
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto part = stratify_groups(group, classes, std::vector<double>{80, 10, 10}, seed);
    std::map<std::uint32_t, int> of_group;
    std::map<std::pair<std::uint32_t, int>, int> count;
    for (std::size_t i = 0; i < part.size(); ++i) {
      EXPECT_EQ(of_group.emplace(group[i], part[i]).first->second, part[i]);
      ++count[{classes[i], part[i]}];
    }
    for (const std::uint32_t cls : {0U, 1U})
      EXPECT_THAT((std::array{count[{cls, 0}], count[{cls, 1}], count[{cls, 2}]}), ElementsAre(48, 6, 6)) << seed;
  }
}

TEST_F(SplitTest, StratifiedSplitsHoldEveryClass) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += fmt::format("{{\"image\": \"{}.png\", \"labels\": [{}]}}\n", i, i < 190 ? 0 : 1);
  const Dataset source = dataset({{"all", text}});
  write_new_splits(source, {.ratio = "8/1/1", .stratify = true}, out());
  const std::map<std::string, std::array<std::size_t, 2>> wanted{{"train", {160, 8}}, {"val", {20, 1}}, {"test", {20, 1}}};
  for (const auto& [split, counts] : wanted) {
    const auto names = images(out(), split);
    EXPECT_THAT(names, SizeIs(counts[0])) << split;
    EXPECT_EQ(std::count_if(names.begin(), names.end(), [](const auto& name) { return std::stoi(name) >= 190; }), counts[1]);
  }
  const std::string refused =
      "--stratify goes with --ratio; --counts gives exact numbers, --folds deals every class evenly by itself";
  EXPECT_EQ(error_of<ConfigError>([&] { write_new_splits(source, {.counts = "9/*", .stratify = true}, root() / "x"); }), refused);
  EXPECT_EQ(error_of<ConfigError>([&] { write_new_splits(source, {.folds = 5, .stratify = true}, root() / "x"); }), refused);
}

// What seeds draw is what they have drawn since there are splits.
TEST(AssignGroups, DrawsWhatItAlwaysDrew) {
  const std::vector<std::uint32_t> group{0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_THAT(assign_groups(group, std::vector<std::uint64_t>{6, 3, 2}, 1), ElementsAre(0, 0, 0, 0, 0, 1, 2, -1, 1, 0, 1, 2));
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

TEST_F(SplitTest, BoxesGoWithTheirPictures) {
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
  EXPECT_FALSE(fs::exists(folder_.path() / "half/train.jsonl")) << "else the next attempt would find it";
}

// 1 % of 33 samples is none.
TEST_F(SplitTest, APartThatWouldBeEmptyLeavesNothing) {
  const Dataset source = dataset({{"all", lines(0, 33)}});
  EXPECT_EQ(error_of<DataError>([&] { write_new_splits(source, {.ratio = "99/1"}, out()); }),
            "split val would be empty; there are too few samples");
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(SplitTest, FilesThatAreThereAreNotReplaced) {
  const Dataset source = dataset({{"all", lines(0, 4)}});
  for (const char* name : {"val.jsonl", "annotations/val.json"}) {
    const fs::path mine = out() / name;
    write_text(mine, "mine");
    EXPECT_EQ(error_of<ConfigError>([&] { write_new_splits(source, {.counts = "2/2"}, out()); }),
              mine.string() + ": there is such a file already; give another --out");
    EXPECT_EQ(read_file(mine), "mine");
    EXPECT_FALSE(fs::exists(out() / "train.jsonl"));
    fs::remove(mine);
  }
}

// Shards of others: {"image": "0.png"} is counted from 0 in train and in val; 1.png is the same picture in both, and stays one.
TEST_F(SplitTest, ANameInShardsIsOnePictureWhereTheBytesAgree) {
  int kind = 0;
  for (const auto& [shard, count] : {std::pair("train-000000.tar", 5), std::pair("val-000000.tar", 3)}) {
    fs::create_directories(root());
    TarWriter writer(root() / shard);
    for (int i = 0; i < count; ++i) {
      const fs::path picture = folder_.path() / "picture.png";
      write_png(picture, formula_picture(1, i == 1 ? 90 : 40 + kind++, 40));
      writer.add(fmt::format("{}.png", i), read_file(picture));
      writer.add(fmt::format("{}.json", i), fmt::format("{{\"label\": \"awe\", \"image\": \"{}.png\"}}", i));
    }
    writer.close();
  }
  import_shards({.root = root(), .out = folder_.path() / "set"});
  const Dataset set = Dataset::open(folder_.path() / "set");
  const Manifest train = Manifest::open(set, "train"), val = Manifest::open(set, "val");
  EXPECT_EQ(train[0].source, "");
  EXPECT_EQ(train[1].source, "1.png");
  EXPECT_EQ(train[4].source, "4.png");
  EXPECT_EQ(val[1].source, "1.png");
  EXPECT_EQ(val[2].source, "");
  write_new_splits(set, {.ratio = "50/50"}, out());
  EXPECT_EQ(images(out(), "train").size() + images(out(), "val").size(), 7U) << "1.png once";
}

// Packed, a picture of several persons is a member with each of them; split and dedup still take it for one.
TEST_F(SplitTest, APictureOfSeveralBoxesIsOneWhenPackedToo) {
  std::string text;
  for (int i = 0; i < 20; ++i) {
    write_png(root() / fmt::format("img/{}.png", i), formula_picture(i % 7, 60 + i, 40));
    for (int person = 0; person < 3; ++person)
      text += fmt::format("{{\"image\": \"img/{}.png\", \"box\": [{}, 1, 9, 9]}}\n", i, person);
  }
  const fs::path packed_folder = folder_.path() / "packed", groups = folder_.path() / "groups.json";
  pack_dataset(dataset({{"train", text}}), {.out = packed_folder, .samples = 7});
  const Dataset packed = Dataset::open(packed_folder);
  const auto pictures = [&](const fs::path& folder, const char* split) {
    const Manifest manifest = Manifest::open(Dataset::open(folder), split);
    std::map<std::string, int> samples;
    for (std::size_t i = 0; i < manifest.size(); ++i) ++samples[std::string(manifest[i].picture())];
    return samples;
  };
  const auto write_groups = [&](const char* a, const char* b) {
    write_text(groups, fmt::format(R"({{"groups": [[{{"image": "{}"}}, {{"image": "{}"}}]]}})", a, b));
  };
  // By the names in the shards, as dedup --groups writes them, and by those before.
  for (const auto& [a, b] :
       {std::pair("train-000001.tar#000000007.png", "train-000008.tar#000000059.png"), std::pair("img/2.png", "img/19.png")}) {
    write_groups(a, b);
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      fs::remove_all(out());
      write_new_splits(packed, {.ratio = "50/50", .groups = groups, .key = "img/(.*)\\.png", .seed = seed}, out());
      const auto train = pictures(out(), "train"), val = pictures(out(), "val");
      EXPECT_EQ(train.size() + val.size(), 20U);
      for (const auto& [picture, samples] : train) EXPECT_EQ(samples, 3) << picture;
      EXPECT_EQ(train.contains("img/2.png"), train.contains("img/19.png"));
    }
  }
  const DuplicateReport report = find_duplicates(packed, {.radius = 0});
  EXPECT_THAT(report.pictures, SizeIs(20));
  write_without_duplicates(packed, report, folder_.path() / "unique");
  const auto kept = pictures(folder_.path() / "unique", "train");
  EXPECT_EQ(kept.size(), 20 - report.dropped());
  for (const auto& [picture, samples] : kept) EXPECT_EQ(samples, 3) << picture;
}

TEST_F(SplitTest, ASplitSetFindsTheFacesAndRegionsOfItsSource) {
  dataset({{"train", "{\"image\": \"1.png\", \"face\": \"faces/1.png\"}\n{\"image\": \"2.png\", \"face\": \"faces/2.png\"}\n"}});
  write_text(root() / "dataset.yaml", read_file(root() / "dataset.yaml") + "image_root: ../pictures\n");
  for (const char* name : {"1.png", "2.png"}) write_text(root() / "faces" / name, name);
  write_new_splits(Dataset::open(root()), {.counts = "1/1"}, out());
  write_new_splits(Dataset::open(out()), {.counts = "1/1"}, folder_.path() / "again");  // one step more
  for (const char* set : {"out", "again"}) {
    const Dataset found = Dataset::open(folder_.path() / set);
    const Manifest manifest = Manifest::open(found, "train");
    EXPECT_EQ(read_file(stimulus_path(found, manifest[0].face)), manifest[0].image) << set;
    EXPECT_THAT(found.stimuli_roots, ElementsAre("../data")) << set;
  }
}

// Faces were found for the first set, regions for the one made of it.
TEST_F(SplitTest, FacesAndRegionsOfSeveralSetsAreFound) {
  const char* const line = "{{\"image\": \"{0}.png\", \"face\": \"faces/{0}.png\", \"regions\": \"regions/{0}.safetensors\"}}\n";
  dataset({{"train", fmt::format(fmt::runtime(line), 1) + fmt::format(fmt::runtime(line), 2)}});
  write_text(root() / "dataset.yaml", read_file(root() / "dataset.yaml") + "image_root: ../pictures\n");
  for (const char* name : {"faces/1.png", "faces/2.png"}) write_text(root() / name, "face");
  write_new_splits(Dataset::open(root()), {.counts = "1/1"}, out());
  for (const char* name : {"regions/1.safetensors", "regions/2.safetensors"}) write_text(out() / name, "regions");
  fs::path made = out();
  for (const char* name : {"third", "fourth"}) {
    const fs::path next = folder_.path() / name;
    write_new_splits(Dataset::open(made), {.counts = "1/1"}, next);
    made = next;
    const Dataset found = Dataset::open(made);
    EXPECT_THAT(found.stimuli_roots, ElementsAre("../out", "../data")) << name;
    const Manifest manifest = Manifest::open(found, "train");
    EXPECT_EQ(read_file(stimulus_path(found, manifest[0].face)), "face") << name;
    EXPECT_EQ(read_file(stimulus_path(found, manifest[0].regions)), "regions") << name;
  }
}

// A failing disk, here a link to itself: the file is not looked for elsewhere, reading it tells what is wrong.
TEST_F(SplitTest, AFaceThatCannotBeLookedAtIsNotSoughtAmongThePictures) {
  dataset({{"train", "{\"image\": \"1.png\", \"face\": \"faces/1.png\"}\n"}});
  write_text(root() / "dataset.yaml", read_file(root() / "dataset.yaml") + "image_root: ../pictures\n");
  fs::create_directories(root() / "faces");
  fs::create_symlink("1.png", root() / "faces/1.png");
  const Dataset source = Dataset::open(root());
  EXPECT_EQ(stimulus_path(source, "faces/1.png").string(), (root() / "faces/1.png").string());
  const std::string member = "train.tar#" + std::string(250, 'n');  // longer than a file's name can be
  EXPECT_EQ(stimulus_path(source, member).string(), (source.images() / member).string());
}

// What was found anew for a derived set counts, under whatever name the source has its own.
TEST_F(SplitTest, OwnFacesComeBeforeTheSourcesAndThoseAmongThePictures) {
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

TEST_F(SplitTest, ALinkedFolderFindsThePicturesOfItsSource) {
  const Dataset source = dataset({{"all", lines(0, 4)}});
  fs::create_directories(folder_.path() / "disk/deep");
  fs::create_directory_symlink("disk/deep", out());
  write_new_splits(source, {.counts = "2/2"}, out());
  EXPECT_EQ(fs::weakly_canonical(Dataset::open(out()).images() / "x"), fs::weakly_canonical(root() / "x"));
}

// Folds have every sample in several splits; a picture may also stand in train and val, under another spelling of its path.
TEST_F(SplitTest, ASampleOfSeveralSplitsIsTakenOnce) {
  const Dataset source = dataset(
      {{"train", lines(0, 6)}, {"val", lines(4, 10, "./img/{}.png") + "{\"image\": \"img/0.png\", \"box\": [1, 2, 3, 4]}\n"}});
  write_new_splits(source, {.counts = "8/3"}, out());
  std::vector<std::string> all = images(out(), "train");
  for (const std::string& image : images(out(), "val")) all.push_back(image);
  EXPECT_THAT(all, SizeIs(11)) << "10 pictures, one of them with a box of it as well";
  write_new_splits(source, {.folds = 3}, folder_.path() / "folds");
  write_new_splits(Dataset::open(folder_.path() / "folds"), {.counts = "8/3"}, folder_.path() / "again");
  EXPECT_THAT(images(folder_.path() / "again", "train"), SizeIs(8));
}

TEST_F(SplitTest, CopiesLinesAsTheyStand) {
  const std::string line = "{\"image\": \"a.png\",  \"labels\": [2], \"keywords\": [\"s\\u00e9\", \"x\"]}";
  write_new_splits(dataset({{"train", "\n" + line + "\r\n\n" + lines(0, 3)}}), {.counts = "2/2"}, out());
  const std::string all = read_file(out() / "train.jsonl") + read_file(out() / "val.jsonl");
  EXPECT_NE(all.find(line + "\n"), std::string::npos);
}

}  // namespace
}  // namespace emotion
