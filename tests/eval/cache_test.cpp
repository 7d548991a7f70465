#include "emotion/eval/feature_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <span>
#include <string_view>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/networks.h"
#include "../support/scratch.h"
#include "emotion/data/synth.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file_lock.h"
#include "emotion/io/mapped_tensor.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/model/image_classifier.h"

namespace emotion {
namespace {
namespace fs = std::filesystem;

class FeatureCacheTest : public testing::Test {
 protected:
  FeatureCacheTest() {
    write_synth({.kind = "affect", .out = data(), .count = 20, .size = 32});
    write_backbone(1);
    options_.cache = folder_.path() / "cache";
    options_.view.transform = {.resize = 32, .size = 32};
    options_.view.batch = 8;
    options_.view.workers = 1;
    set_log_file((folder_.path() / "log.txt").string());
  }
  ~FeatureCacheTest() override { set_log_file(""); }

  fs::path data() const { return folder_.path() / "affect"; }
  fs::path weights() const { return folder_.path() / "net.safetensors"; }
  void write_backbone(std::uint64_t seed) const {
    at::manual_seed(seed);
    ImageClassifier network("resnet18", 1);
    write_safetensors(weights(), plain_backbone(module_state(*network)));
  }
  at::Tensor features() const {
    const Device device = Device::open("cpu");
    const VisualModel model = VisualModel::open(weights(), {"model.backbone=resnet18"}, device);
    return split_features(model, device, Manifest::open(Dataset::open(data()), "train"), options_);
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(options_.cache)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
    return files;
  }
  std::string log() const { return read_file(folder_.path() / "log.txt"); }

  ScratchFolder folder_;
  FeatureOptions options_;
};

TEST_F(FeatureCacheTest, KeptFeaturesAreThoseComputed) {
  const at::Tensor first = features();
  ASSERT_EQ(kept().size(), 1U);
  const auto time = fs::last_write_time(kept()[0]);
  const at::Tensor second = features();
  EXPECT_TRUE(at::equal(first, second));
  EXPECT_EQ(fs::last_write_time(kept()[0]), time) << "computed once";
  options_.cache.clear();
  EXPECT_TRUE(at::equal(first, features()));
  EXPECT_EQ(first.sizes(), (std::vector<std::int64_t>{1, 16, 512}));
}

TEST_F(FeatureCacheTest, AnOldCacheIsRebuiltAndSaid) {
  const at::Tensor first = features();
  write_backbone(2);
  const at::Tensor second = features();
  EXPECT_FALSE(at::equal(first, second));
  ASSERT_EQ(kept().size(), 1U) << "in the place of the old one";
  EXPECT_NE(log().find(kept()[0].string() + ": kept features are old (changed: weights); computing them again"),
            std::string::npos)
      << log();
  // A picture of another size in bytes.
  const Manifest manifest = Manifest::open(Dataset::open(data()), "train");
  fs::copy_file(manifest.image_path(1), manifest.image_path(0), fs::copy_options::overwrite_existing);
  fs::last_write_time(manifest.image_path(0), fs::file_time_type::clock::now() + std::chrono::seconds(5));
  const at::Tensor third = features();
  EXPECT_TRUE(at::equal(third[0][0], third[0][1]));
  EXPECT_NE(log().find("(changed: pictures)"), std::string::npos) << log();
}

TEST_F(FeatureCacheTest, ATruncatedOrForeignFileIsRebuilt) {
  const at::Tensor first = features().clone();
  const std::string bytes = read_file(kept()[0]);
  for (const std::string& damaged : {bytes.substr(0, bytes.size() / 2), std::string("not a cache"), std::string()}) {
    write_file_atomically(kept()[0], damaged);
    EXPECT_TRUE(at::equal(first, features()));
    EXPECT_EQ(read_file(kept()[0]), bytes);
  }
}

// A kept file of before must not look old: the digest is of names, sizes and times, in this order, and of each shard once.
TEST_F(FeatureCacheTest, TheDigestOfPicturesIsOfTheirNamesSizesAndTimes) {
  const auto add = [](ContentHash& hash, const fs::path& file) {
    std::error_code missing;
    const auto size = static_cast<std::int64_t>(fs::file_size(file, missing));
    const std::int64_t time = missing ? 0 : fs::last_write_time(file).time_since_epoch().count();
    hash.add(std::as_bytes(std::span(&size, 1)));
    hash.add(std::as_bytes(std::span(&time, 1)));
  };
  const Manifest loose = Manifest::open(Dataset::open(data()), "train");
  fs::remove(loose.image_path(3));
  ContentHash wanted;
  for (std::size_t i = 0; i < loose.size(); ++i) {
    wanted.add(loose[i].image);
    add(wanted, loose.image_path(i));
  }
  EXPECT_EQ(pictures_hash(loose, {}), wanted.hex());

  write_text(folder_.path() / "packed/a.tar", "shard a");
  write_text(folder_.path() / "packed/b.tar", "the other");
  write_text(folder_.path() / "packed/all.jsonl",
             "{\"image\": \"a.tar#0.png\"}\n{\"image\": \"b.tar#0.png\"}\n{\"image\": \"a.tar#1.png\"}\n");
  write_text(folder_.path() / "packed/dataset.yaml", "classes: [awe]\nsplits: {all: all.jsonl}\n");
  ContentHash packed;
  for (const auto& [name, shard] : {std::pair("a.tar#0.png", "a.tar"), {"b.tar#0.png", "b.tar"}, {"a.tar#1.png", ""}}) {
    packed.add(std::string_view(name));
    if (*shard != '\0') add(packed, folder_.path() / "packed" / shard);
  }
  EXPECT_EQ(pictures_hash(Manifest::open(Dataset::open(folder_.path() / "packed"), "all"), {}), packed.hex());
}

TEST_F(FeatureCacheTest, TwoWritersComputeOnce) {
  // Every writer ends with the same values, in one file, and none takes another's for an old one.
  const at::Tensor expected = [&] {
    FeatureOptions memory = options_;
    memory.cache.clear();
    const Device device = Device::open("cpu");
    return split_features(VisualModel::open(weights(), {"model.backbone=resnet18"}, device), device,
                          Manifest::open(Dataset::open(data()), "train"), memory);
  }();
  set_log_level(LogLevel::kDebug);
  std::vector<at::Tensor> results(3);
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = features(); });
  for (auto& thread : threads) thread.join();
  set_log_level(LogLevel::kInfo);
  set_log_file("");  // lines of that level are on the disk then
  for (const auto& result : results) EXPECT_TRUE(at::equal(result, expected));
  ASSERT_EQ(kept().size(), 1U);
  const std::string text = log();
  EXPECT_EQ(text.find("are old"), std::string::npos) << text;
  const std::string used = "kept features are used";
  int count = 0;
  for (std::size_t at = text.find(used); at != std::string::npos; at = text.find(used, at + 1)) ++count;
  EXPECT_EQ(count, 2) << text;
}

TEST_F(FeatureCacheTest, ViewsDifferAndAreSeeded) {
  options_.views = 3;
  options_.view.transform.flip = true;
  const at::Tensor views = features();
  ASSERT_EQ(views.size(0), 3);
  EXPECT_FALSE(at::equal(views[0], views[1]));
  EXPECT_FALSE(at::equal(views[1], views[2]));
  options_.cache.clear();
  options_.view.workers = 2;
  EXPECT_TRUE(at::equal(views, features())) << "the same again, whatever the threads";
}

TEST_F(FeatureCacheTest, AFolderThatCannotBeWrittenCostsAWarning) {
  write_text(folder_.path() / "file", "");
  options_.cache = folder_.path() / "file";
  EXPECT_EQ(features().size(1), 16);
  EXPECT_NE(log().find("file: features cannot be kept there; --cache DIR names another folder"), std::string::npos) << log();
}

TEST(FileLockTest, ASecondHolderWaits) {
  const ScratchFolder folder;
  const fs::path file = folder.path() / "x.lock";
  auto first = std::make_unique<FileLock>(file);
  std::atomic<bool> entered = false;
  std::thread second([&] {
    const FileLock lock(file);
    entered = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(entered);
  first.reset();
  second.join();
  EXPECT_TRUE(entered);
}

}  // namespace
}  // namespace emotion
