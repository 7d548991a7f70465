#include "emotion/data/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <new>
#include <numeric>
#include <set>
#include <thread>

#include "../support/open_files.h"
#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/data/sampler.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using ::testing::HasSubstr;

class LoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kOff);
    write_synth({.kind = "stock", .out = folder_.path() / "stock", .count = 60, .size = 40, .seed = 5, .workers = 2});
  }
  Manifest manifest() const { return Manifest::open(Dataset::open(folder_.path() / "stock"), "train"); }
  static std::vector<std::uint64_t> order(std::size_t n) {
    std::vector<std::uint64_t> all(n);
    std::iota(all.rbegin(), all.rend(), std::uint64_t{0});
    return all;
  }
  ScratchFolder folder_;
};

TEST_F(LoaderTest, PixelsAndOrderDoNotDependOnThreadsOrBatches) {
  const Manifest data = manifest();
  const auto load = [&](int workers, std::size_t batch, int ahead) {
    std::string pixels;
    ImageLoader loader(data, {.transform = {.size = 24}, .seed = 3, .batch = batch, .workers = workers, .ahead = ahead},
                       order(data.size()), 2);
    std::uint64_t expected = data.size();
    while (const auto images = loader.next()) {
      for (const std::uint64_t sample : images->samples) EXPECT_EQ(sample, --expected);
      pixels.append(reinterpret_cast<const char*>(images->pixels.get()), images->samples.size() * 24 * 24 * 3);
    }
    EXPECT_EQ(expected, 0U);
    return pixels;
  };
  const std::string one = load(1, 48, 1);
  EXPECT_EQ(one, load(3, 7, 2));
  EXPECT_EQ(one, load(2, 1, 5));
}

// Sixteen threads decode sixteen samples at a time, whatever a batch holds: no more than eight batches of two wait, or four of
// thirteen, the last of them of nine. They lie in pinned memory where there is a GPU.
TEST_F(LoaderTest, BatchesWaitInMemoryAsTheThreadsNeedThem) {
  const Manifest data = manifest();
  const auto waiting = [&](std::size_t batch) {
    std::atomic<int> made = 0;
    const auto allocate = [&](std::size_t bytes) {
      ++made;
      return std::make_shared<std::uint8_t[]>(bytes);
    };
    ImageLoader loader(data, {.transform = {.size = 24}, .seed = 3, .batch = batch, .workers = 16, .allocate = allocate},
                       order(data.size()), 2);
    for (int before = -1; before != made || made == 0; std::this_thread::sleep_for(std::chrono::milliseconds(300))) before = made;
    return made.load();
  };
  EXPECT_EQ(waiting(2), 8);
  EXPECT_EQ(waiting(13), 4);
}

// The first draw of {seed, epoch, sample} in the stream "aug", of which the crop takes the rest.
TEST_F(LoaderTest, SaysWhichPicturesAreShownMirroredAndLeavesThemAsTheyAre) {
  const Manifest data = manifest();
  for (const auto& cache : {std::shared_ptr<PictureCache>{}, std::make_shared<PictureCache>(data.size(), 1U << 20)}) {
    const Transform transform{.resize = 30, .size = 24, .crop = Crop::kRandom, .flip = true};
    ImageLoader loader(data, {.transform = transform, .seed = 3, .batch = 7, .workers = 2, .cache = cache}, order(data.size()),
                       2);
    std::size_t mirrored = 0;
    while (const auto images = loader.next()) {
      for (std::size_t i = 0; i < images->samples.size(); ++i) {
        const std::uint64_t sample = images->samples[i];
        const bool wanted = Random{3, 2, sample, 0x617567}.uniform() < 0.5;
        EXPECT_EQ(std::count(images->mirrored.begin(), images->mirrored.end(), i), wanted) << sample;
        mirrored += wanted;
        Transform upright = transform;
        upright.flip = false;
        const Image alone = load_image(data.image_path(sample), upright, {3, 2, sample});
        EXPECT_TRUE(std::equal(alone.pixels.begin(), alone.pixels.end(), images->pixels.get() + i * alone.pixels.size()));
      }
    }
    EXPECT_NEAR(static_cast<double>(mirrored), 24, 12);  // of 48
  }
}

TEST_F(LoaderTest, ARunWithoutFlipsMirrorsNothing) {
  const Manifest data = manifest();
  ImageLoader loader(data, {.transform = {.size = 16, .flip = false}, .batch = 48, .workers = 2}, order(data.size()), 0);
  EXPECT_THAT(loader.next()->mirrored, ::testing::IsEmpty());
}

// A picture that is left out moves the rows behind it.
TEST_F(LoaderTest, RowsToMirrorAreCountedWithoutBrokenPictures) {
  const Manifest data = manifest();
  write_text(data.image_path(40), "not a picture");
  ImageLoader loader(data, {.transform = {.size = 16}, .batch = 48, .workers = 2, .on_error = OnError::kSkip}, order(data.size()),
                     0);
  const auto images = loader.next();
  ASSERT_EQ(images->samples.size(), 47U);
  std::vector<std::int64_t> wanted;
  for (std::size_t i = 0; i < 47; ++i) {
    if (Random{1, 0, images->samples[i], 0x617567}.uniform() < 0.5) wanted.push_back(static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(images->mirrored, wanted);
}

TEST_F(LoaderTest, KeptPicturesGiveTheSamePixelsAndStayWithinTheBudget) {
  const Manifest data = manifest();
  const auto load = [&](int workers, std::uint64_t epoch, std::shared_ptr<PictureCache> cache, Crop crop) {
    std::string pixels;
    const Transform transform{.resize = 30, .size = 24, .crop = crop};
    ImageLoader loader(data, {.transform = transform, .seed = 3, .batch = 7, .workers = workers, .cache = std::move(cache)},
                       order(data.size()), epoch);
    while (const auto images = loader.next())
      pixels.append(reinterpret_cast<const char*>(images->pixels.get()), images->samples.size() * 24 * 24 * 3);
    return pixels;
  };
  const std::uint64_t picture = 40 * 40 * 3;
  const auto all = std::make_shared<PictureCache>(data.size(), data.size() * picture),
             some = std::make_shared<PictureCache>(data.size(), 5 * picture + 100);
  for (const std::uint64_t epoch : {0, 1, 2}) {
    const std::string kept = load(3, epoch, all, Crop::kRandomResized);
    EXPECT_EQ(load(1, epoch, some, Crop::kRandomResized), kept) << "epoch " << epoch;
    // Without a cache the crop alone is decoded: the same picture, up to the rounding of colours at its edges.
    const std::string plain = load(2, epoch, nullptr, Crop::kRandomResized);
    ASSERT_EQ(plain.size(), kept.size());
    double difference = 0;
    for (std::size_t i = 0; i < plain.size(); ++i)
      difference += std::abs(static_cast<unsigned char>(plain[i]) - static_cast<unsigned char>(kept[i]));
    EXPECT_LT(difference / static_cast<double>(plain.size()), 0.5) << "levels of 255, mean";
    // Transforms that decode whole pictures anyway: the same bits.
    EXPECT_EQ(load(2, epoch, all, Crop::kRandom), load(2, epoch, nullptr, Crop::kRandom));
  }
  EXPECT_EQ(all->bytes_left(), 0U);
  EXPECT_EQ(some->bytes_left(), 100U);

  // Nothing is read any more.
  for (std::size_t i = 0; i < data.size(); ++i) std::filesystem::remove(data.image_path(i));
  EXPECT_NO_THROW(load(2, 3, all, Crop::kRandomResized));
  EXPECT_THROW(load(2, 3, some, Crop::kRandomResized), DataError);
}

TEST_F(LoaderTest, StartsInTheMiddleOfAnEpoch) {
  const Manifest data = manifest();
  ImageLoader loader(data, {.transform = {.size = 16}, .batch = 10, .workers = 2}, order(data.size()), 0, 40);
  EXPECT_EQ(loader.next()->samples.front(), 7U);
  EXPECT_FALSE(loader.next().has_value());
}

TEST_F(LoaderTest, ABrokenImageStopsAndIsNamed) {
  const Manifest data = manifest();
  const auto file = data.image_path(5);
  const std::string jpeg = read_file(file);
  write_text(file, jpeg.substr(0, jpeg.size() / 3));
  ImageLoader loader(data, {.transform = {.size = 16}, .batch = 48, .workers = 2}, order(data.size()), 0);
  EXPECT_EQ(error_of<DataError>([&] { loader.next(); }),
            data.place(5) + ": " + file.string() + ": broken JPEG: Premature end of JPEG file");
}

TEST_F(LoaderTest, ABrokenImageIsSkippedWhenAskedAndListed) {
  const Manifest data = manifest();
  write_text(data.image_path(5), "not a picture");
  std::filesystem::remove(data.image_path(9));
  ImageLoader loader(data, {.transform = {.size = 16}, .batch = 48, .workers = 2, .on_error = OnError::kSkip}, order(data.size()),
                     0);
  const auto images = loader.next();
  ASSERT_TRUE(images);
  EXPECT_EQ(images->samples.size(), data.size() - 2);
  EXPECT_EQ(std::count(images->samples.begin(), images->samples.end(), 5U), 0);
  EXPECT_EQ(loader.skipped().size(), 2U);
  // The rest are the pictures they are said to be.
  const Image alone = load_image(data.image_path(images->samples[45]), {.size = 16}, {1, 0, images->samples[45]});
  EXPECT_TRUE(std::equal(alone.pixels.begin(), alone.pixels.end(), images->pixels.get() + 45 * alone.pixels.size()));
}

// Without a descriptor or memory the pictures are as good as before: a loader that skips broken ones stops as any other.
TEST_F(LoaderTest, WhatTheMachineLacksBreaksNoPicture) {
  const Manifest data = manifest();
  LoaderOptions options{.transform = {.size = 16}, .batch = 48, .workers = 2, .on_error = OnError::kSkip};
  {
    const OpenFileLimit none(0);
    ImageLoader loader(data, options, order(data.size()), 0);
    try {
      loader.next();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), data.place(47) + ": " + data.image_path(47).string() + ": cannot be read: Too many open files");
      EXPECT_EQ(error.code(), ExitCode::kRunFailed);
    }
    EXPECT_THAT(loader.skipped(), ::testing::IsEmpty());
  }
  options.allocate = [](std::size_t) -> std::shared_ptr<std::uint8_t[]> { throw std::bad_alloc(); };
  ImageLoader loader(data, options, order(data.size()), 0);
  EXPECT_THROW(loader.next(), std::bad_alloc);
}

TEST_F(LoaderTest, LeavingEarlyEndsTheThreads) {
  const Manifest data = manifest();
  const auto threads = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); };
  const auto before = threads();
  for (int i = 0; i < 20; ++i) {
    ImageLoader loader(data, {.transform = {.size = 16}, .batch = 4, .workers = 3}, order(data.size()), 0);
    EXPECT_GT(threads(), before);
    if (i % 2) loader.next();
  }
  // A thread that was joined may stay listed for a moment.
  for (int i = 0; i < 250 && threads() > before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(threads(), before);
}

TEST(SamplerTest, AnEpochIsAPermutationAndAFractionStays) {
  const Sampler sampler{.size = 100, .seed = 4};
  auto first = sampler.order(0), second = sampler.order(1);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, sampler.order(0));
  std::sort(first.begin(), first.end());
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(first[i], i);
  const Sampler part{.size = 100, .fraction = 0.3, .seed = 4};
  const auto a = part.order(0), b = part.order(7);
  EXPECT_EQ(a.size(), 30U);
  EXPECT_EQ(std::set(a.begin(), a.end()), std::set(b.begin(), b.end()));
}

TEST(SynthTest, ListsAreLikeStockEmotions) {
  set_log_level(LogLevel::kOff);
  const ScratchFolder folder;
  write_synth({.kind = "stock", .out = folder.path() / "stock", .count = 3000, .size = 16});
  const Manifest manifest = Manifest::open(Dataset::open(folder.path() / "stock"), "train");
  double keywords = 0, labels = 0;
  std::map<std::uint32_t, int> counts;
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> together;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    keywords += static_cast<double>(manifest[i].keywords.size());
    labels += static_cast<double>(manifest[i].labels.size());
    for (const auto word : manifest[i].keywords) ++counts[word];
    for (const auto a : manifest[i].labels) {
      for (const auto b : manifest[i].labels) ++together[{a, b}];
    }
    for (const auto label : manifest[i].labels) {  // the emotion words stand among the keywords
      const auto& words = manifest[i].keywords;
      EXPECT_TRUE(std::any_of(words.begin(), words.end(),
                              [&](std::uint32_t w) { return manifest.word(w) == manifest.dataset().classes[label]; }));
    }
  }
  const auto n = static_cast<double>(manifest.size());
  EXPECT_NEAR(keywords / n, 49, 2);
  EXPECT_NEAR(labels / n, 7, 0.5);
  EXPECT_GT((together[{4, 5}]), 3 * (together[{4, 22}])) << "calm and peaceful go together, contentment and sadness do not";
  // Zipf: the logarithm of the frequency falls about linearly with that of the rank.
  std::vector<double> sorted;
  for (const auto& [word, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  const double slope = std::log(sorted[2000] / sorted[200]) / std::log(2000.0 / 200.0);
  EXPECT_LT(slope, -0.6);
  EXPECT_GT(slope, -1.8);
}

TEST(SynthTest, TheSameSeedGivesTheSameBytesWithAnyThreads) {
  set_log_level(LogLevel::kOff);
  const ScratchFolder folder;
  const auto bytes = [&](std::uint64_t seed, int workers, const std::string& name) {
    write_synth({.kind = "affect", .out = folder.path() / name, .count = 20, .size = 48, .seed = seed, .workers = workers});
    std::string all = read_file(folder.path() / name / "train.jsonl");
    for (int i = 0; i < 20; ++i) all += read_file(folder.path() / name / fmt::format("images/000/{:07}.jpg", i));
    return all;
  };
  const std::string one = bytes(7, 1, "a");
  EXPECT_EQ(one, bytes(7, 3, "b"));
  EXPECT_NE(one, bytes(8, 1, "c"));
  EXPECT_EQ(error_of<ConfigError>([&] { bytes(7, 1, "a"); }),
            (folder.path() / "a").string() + ": there is something already; give another --out or remove it");
  EXPECT_EQ(error_of<ConfigError>([&] { write_synth({.kind = "stock", .out = folder.path() / "n", .count = 3}); }),
            "--count is 3; 10 to 10000000 is wanted");
}

// Digests of what GCC's build drew: a compiler that takes arguments in another order draws the same.
TEST(SynthTest, TheSameSeedGivesTheSameBytesWithAnyCompiler) {
  set_log_level(LogLevel::kOff);
  const ScratchFolder folder;
  for (const auto& [kind, digest] :
       {std::pair{"stock", "0ed81b4ae86e9aaddd5d5a1a74a18a5d"}, {"faces", "24eae4af433fa59a3c2fa786a65cbe62"}}) {
    write_synth({.kind = kind, .out = folder.path() / kind, .count = 40, .size = 48, .seed = 3, .workers = 2});
    ContentHash hash;
    for (int i = 0; i < 40; ++i) hash.add(read_file(folder.path() / kind / fmt::format("images/000/{:07}.jpg", i)));
    EXPECT_EQ(hash.hex(), digest) << kind;
  }
}

TEST(SynthTest, EveryKindIsADataSetOfItsOwn) {
  set_log_level(LogLevel::kOff);
  const ScratchFolder folder;
  const auto make = [&](const std::string& kind) {
    write_synth({.kind = kind, .out = folder.path() / kind, .count = 50, .size = 48, .workers = 1});
    return Manifest::open(Dataset::open(folder.path() / kind), "train");
  };
  for (const auto& [kind, classes] :
       {std::pair{"objects", 28U}, {"annotated", 8U}, {"boxed", 32U}, {"people", 8U}, {"faces", 8U}, {"affect", 8U}}) {
    const Manifest manifest = make(kind);
    EXPECT_EQ(manifest.dataset().classes.size(), classes) << kind;
    EXPECT_EQ(manifest.dataset().positive.size(), kind == std::string("objects") ? 0U : classes / 2) << kind;
    EXPECT_EQ(manifest.word_count() > 0, kind == std::string("annotated")) << kind;
    std::size_t faces = 0;
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const SampleView sample = manifest[i];
      ASSERT_FALSE(sample.labels.empty());
      EXPECT_EQ(sample.box.has_value(), kind == std::string("boxed"));
      ASSERT_EQ(sample.regions.empty(), kind != std::string("people"));
      if (!sample.regions.empty()) {
        const StateDict regions = read_safetensors(manifest.dataset().images() / std::string(sample.regions));
        EXPECT_EQ(regions.find("features")->sizes(), (std::vector<std::int64_t>{regions.find("boxes")->size(0), 32}));
      }
      if (sample.box) {
        const auto [x, y, w, h] = *sample.box;
        EXPECT_TRUE(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 48 && y + h <= 48) << x << ' ' << y << ' ' << w << ' ' << h;
      }
      if (sample.face.empty()) continue;
      ++faces;
      EXPECT_EQ(decode_image(manifest.dataset().images() / std::string(sample.face)).width, 48);
    }
    EXPECT_EQ(faces > 12 && faces < 36, kind == std::string("people")) << kind << ": " << faces;  // 60 % of 40
  }
  EXPECT_EQ(error_of<ConfigError>([&] { make("stok"); }),
            "synth 'stok' is not known; there are stock, affect, scenes, objects, annotated, boxed, people, faces; did you mean "
            "stock?");
}

}  // namespace
}  // namespace emotion
