#include <chrono>
#include <deque>
#include <limits>
#include <thread>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/train/stimuli_model.h"
#include "emotion/train/trainer.h"

// What a stimuli run says of region files and faces that cannot be used.
namespace emotion {
namespace {

namespace fs = std::filesystem;

class StimuliReaderTest : public ::testing::Test {
 protected:
  StimuliReaderTest() {
    set_log_level(LogLevel::kError);
    describe("polarity: {positive: [joy], negative: [fear]}\n");
    std::string lines;
    for (int i = 0; i < 4; ++i) {
      write_picture(fmt::format("{}.png", i), 40);
      write_picture(fmt::format("face{}.png", i), 32);
      write_regions(i, at::rand({2, 5}));
      lines += fmt::format(R"({{"image": "{0}.png", "labels": [{1}], "regions": "{0}.safetensors", "face": "face{0}.png"}})", i,
                           i % 2);
      lines += '\n';
    }
    write_text(root() / "train.jsonl", lines);
  }
  const fs::path& root() const { return folder_.path(); }
  std::string place(int i) const { return fmt::format("{}:{}: ", (root() / "train.jsonl").string(), i + 1); }
  std::string region_file(int i) const { return (root() / fmt::format("{}.safetensors", i)).string(); }
  void describe(const std::string& polarity) const {
    write_text(root() / "dataset.yaml", "name: s\nclasses: [joy, fear]\nsplits: {train: train.jsonl}\n" + polarity);
  }
  /// A second split, of the last picture.
  void write_validation(const std::string& regions) const {
    write_text(root() / "dataset.yaml",
               "name: s\nclasses: [joy, fear]\nsplits: {train: train.jsonl, val: val.jsonl}\n"
               "polarity: {positive: [joy], negative: [fear]}\n");
    write_text(root() / "val.jsonl",
               fmt::format("{{\"image\": \"3.png\", \"labels\": [0], \"regions\": \"{}\", \"face\": \"face3.png\"}}\n", regions));
  }
  void write_picture(const std::string& name, int side) const {
    cv::imwrite((root() / name).string(), cv::Mat(side, side, CV_8UC3, cv::Scalar(10, 120, 200)));
  }
  void write_regions(int i, const at::Tensor& features, std::optional<std::int64_t> top = {},
                     const std::string& source = {}) const {
    const std::int64_t n = features.size(0);
    write_region_file(region_file(i),
                      {.features = features, .boxes = at::zeros({n, 4}), .scores = at::ones({n}), .source = source, .top = top});
  }
  StimuliReader reader(const StimuliReader::Options& options) {
    manifest_.emplace_back(Manifest::open(Dataset::open(root()), "train"));
    return StimuliReader(manifest_.back(), options);
  }
  /// What a run of two images a batch says, of regions alone unless told otherwise.
  std::string error(const std::vector<std::string>& settings = {}) const {
    const std::string yaml = fmt::format(
        "task: stimuli\noutput: {}\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}, resize: 0, size: 32, augment: "
        "random_crop, "
        "shuffle: false}}\nmodel: {{backbone: resnet18, branches: [semantic], semantic: {{steps: 1, attention: 2}}}}\n"
        "optimizer: {{momentum: 0}}\ntrain: {{batch: 2, max_steps: 2}}\n",
        (root() / "run").string(), root().string());
    return error_of<Error>([&] { train(parse_run_config(yaml, "test", settings), false); });
  }

  /// The log of a run that must not fail.
  std::string warnings(const std::string& output, std::vector<std::string> settings) const {
    const fs::path file = root() / (output + ".txt");
    set_log_level(LogLevel::kWarning);
    set_log_file(file.string());
    settings.push_back("output=" + (root() / output).string());
    EXPECT_EQ(error(settings), "no error");
    set_log_level(LogLevel::kError);
    return read_file(file);
  }

 private:
  ScratchFolder folder_;
  std::deque<Manifest> manifest_;
};

// An image without any region may have been written before the width of the others was known.
TEST_F(StimuliReaderTest, TheWidthIsThatOfTheFirstRegion) {
  write_regions(0, at::zeros({0, 1}));
  write_text(root() / "train.jsonl", read_file(root() / "train.jsonl") + "{\"image\": \"4.png\", \"labels\": [0]}\n");
  const StimuliReader regions = reader({.faces = false});
  EXPECT_EQ(regions.width(), 5);
  EXPECT_EQ(regions.with_regions(), 4U);
  const StimuliInput input = regions.read({4, 0, 1}, Device::open("cpu"));
  EXPECT_EQ(input.regions.features.sizes(), at::IntArrayRef({3, 10, 5}));
  EXPECT_EQ(input.regions.counts.sum().item<std::int64_t>(), 2);
  EXPECT_EQ(input.regions.counts[2].item<std::int64_t>(), 2);
  EXPECT_EQ(error(), "no error");
}

// data.cache_mb is a budget of all readers together: what one keeps the other cannot. Two regions of five numbers are 40 bytes.
TEST_F(StimuliReaderTest, ReadersShareOneBudget) {
  const auto budget = std::make_shared<CacheBudget>(6 * 40 + 39);
  const StimuliReader first = reader({.faces = false, .cache = budget}), second = reader({.faces = false, .cache = budget});
  const Device device = Device::open("cpu");
  first.read({0, 1, 2, 3}, device);
  EXPECT_EQ(budget->left(), 2 * 40 + 39);
  const at::Tensor before = second.read({0, 1, 2, 3}, device).regions.features;
  EXPECT_EQ(budget->left(), 39);
  // What is kept is not read again, and what is not is.
  for (int i = 0; i < 4; ++i) write_regions(i, at::zeros({2, 5}));
  const at::Tensor after = second.read({0, 1, 2, 3}, device).regions.features;
  int kept = 0;
  for (std::int64_t i = 0; i < 4; ++i) kept += after[i].equal(before[i]) ? 1 : 0;
  EXPECT_EQ(kept, 2);
  EXPECT_EQ(budget->left(), 39);
}

// Two regions of five numbers are 40 bytes, a face of 32 x 32 pixels 3072: the budget shows what has been read.
TEST_F(StimuliReaderTest, TheNextBatchIsReadMeanwhile) {
  const auto budget = std::make_shared<CacheBudget>(1 << 20);
  const StimuliReader both = reader({.cache = budget});
  const Device device = Device::open("cpu");
  const std::int64_t sample = 40 + 32 * 32 * 3, before = budget->left();
  both.read({0, 1}, device, {2, 3});
  while (budget->left() > before - 4 * sample) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const StimuliInput ahead = both.read({2, 3}, device), now = reader({}).read({2, 3}, device);
  EXPECT_EQ(budget->left(), before - 4 * sample);
  EXPECT_TRUE(at::equal(ahead.regions.features, now.regions.features));
  EXPECT_TRUE(at::equal(ahead.regions.counts, now.regions.counts));
  EXPECT_TRUE(at::equal(ahead.faces, now.faces));
  EXPECT_TRUE(at::equal(ahead.face_rows, now.face_rows));
}

// Its picture may be broken as well, and the sample be left out.
TEST_F(StimuliReaderTest, WhatIsWrongWithTheNextBatchIsToldWhenItIsAskedFor) {
  const StimuliReader regions = reader({.faces = false});
  const Device device = Device::open("cpu");
  write_regions(2, at::rand({2, 6}));
  EXPECT_EQ(regions.read({0, 1}, device, {2, 3}).size, 2);
  EXPECT_EQ(regions.read({3}, device, {2, 0}).size, 1);
  EXPECT_EQ(error_of<DataError>([&] {
              regions.read({2, 0}, device, {1});
            }),
            place(2) + region_file(2) + ": features are 6 wide, 5 is wanted; the regions of a data set come from one detector");
  EXPECT_EQ(regions.read({1}, device).size, 1);
}

TEST_F(StimuliReaderTest, TheBudgetIsTheConfigs) {
  const RunConfig config = parse_run_config("task: stimuli\ndata: {train: {dataset: d, split: s}, cache_mb: 3}\n", "test");
  const StimuliReader::Options options = stimuli_reader_options(config, 5);
  EXPECT_EQ(options.cache->left(), 3 << 20);
}

// Fig 11 goes up to 20 regions, and emotion_data regions keeps 10 unless told: a run that gets fewer than it asks for says so.
TEST_F(StimuliReaderTest, RegionFilesThatWereCutAreTold) {
  const auto cut_to = [&](std::int64_t wanted) { return reader({.faces = false, .max_regions = wanted}).cut_to(); };
  // Files that do not say how many were kept: the fullest one shows it.
  EXPECT_EQ(cut_to(2), 0);
  EXPECT_EQ(cut_to(3), 2);
  write_regions(3, at::rand({3, 5}));
  EXPECT_EQ(cut_to(3), 0);
  // Files that do: a picture with few things in it was not cut.
  write_regions(0, at::rand({1, 5}), 10);
  EXPECT_EQ(cut_to(10), 0);
  EXPECT_EQ(cut_to(12), 10);
  write_regions(0, at::rand({1, 5}), 0);  // all there were
  EXPECT_EQ(cut_to(12), 0);
  write_regions(0, at::rand({1, 5}), {}, "0123456789abcdef, top 6");  // as files said it before
  EXPECT_EQ(cut_to(12), 6);
  EXPECT_EQ(cut_to(6), 0);

  const std::string text = warnings("a", {"model.semantic.regions=12"}),
                    warning = (root() / "train.jsonl").string() +
                              ": its region files have no more than 6 regions, model.semantic.regions is "
                              "12: 6 are used; emotion_data regions --top 12 finds as many";
  EXPECT_NE(text.find(warning), std::string::npos) << text;
  EXPECT_EQ(text.find(warning, text.find(warning) + 1), std::string::npos) << "once";
  EXPECT_EQ(warnings("b", {"model.semantic.regions=6"}), "");
}

// Weights say what found their regions; data of other regions is told before it is trained, validated or run on.
TEST_F(StimuliReaderTest, RegionsOfAnotherDetectorAreTold) {
  write_validation("4.safetensors");
  const std::string val = (root() / "val.jsonl").string(), wanted = "first, model.detector.min_size=48";
  const auto run = [&](const std::string& name) {
    return warnings(name, {"data.val.dataset=" + root().string(), "data.val.split=val", "data.train.split=train"});
  };
  for (int i = 0; i < 4; ++i) write_regions(i, at::rand({2, 5}), 10, wanted);
  write_regions(4, at::rand({2, 5}), 10, "second");
  EXPECT_NE(run("a").find(val + ": other weights or settings found the regions (second) than those of the training data (" +
                          wanted + ")\n"),
            std::string::npos);
  const TrainedStimuliNet model = load_stimuli_net(root() / "a", {}, Device::open("cpu"));
  EXPECT_EQ(model.regions, wanted);
  write_regions(4, at::rand({2, 5}), 10, wanted);
  EXPECT_EQ(run("b").find("other weights"), std::string::npos);
  for (int i = 0; i < 4; ++i) write_regions(i, at::rand({2, 5}), 0, "imported from train.tsv");
  write_regions(4, at::rand({2, 5}), 0, "imported from val.tsv");
  EXPECT_EQ(run("c").find("other weights"), std::string::npos);
}

// Weights say how their faces were found, too: those of a split that were cut otherwise are told.
TEST_F(StimuliReaderTest, FacesOfOtherOptionsAreTold) {
  write_validation("3.safetensors");
  const std::string usual = R"({"detector":"hog","size":32,"padding":0.25})",
                    close = R"({"detector":"hog","size":32,"padding":0})";
  const auto note = [&](const std::string& split, const std::string& options) {
    write_text(root() / "faces" / (split + ".found.jsonl"), options + "\n");
  };
  const auto run = [&](const std::string& name, const std::string& branches) {
    return warnings(name, {"data.val.dataset=" + root().string(), "data.val.split=val", "model.branches=" + branches});
  };
  const std::string both = "[semantic, expression]", warning = (root() / "val.jsonl").string() +
                                                               ": the faces were found with other options (" + close +
                                                               ") than those of the training data (" + usual + ")\n";
  note("train", usual);
  EXPECT_EQ(run("a", both).find("other options"), std::string::npos) << "the notes of another split stand for those of this one";
  note("val", close);
  const std::string text = run("b", both);
  EXPECT_NE(text.find(warning), std::string::npos) << text;
  EXPECT_EQ(load_stimuli_net(root() / "b", {}, Device::open("cpu")).faces, usual);
  EXPECT_EQ(run("c", "[semantic]").find("other options"), std::string::npos) << "no face is looked at";
}

// A run of emotion_data regions that was stopped leaves the rest to the detector before it.
TEST_F(StimuliReaderTest, RegionsOfTwoDetectorsInASplitAreRefused) {
  write_regions(0, at::rand({2, 5}));
  write_regions(1, at::rand({2, 5}), 10, "first");
  write_regions(2, at::rand({2, 5}), 0, "imported from a.tsv");
  write_regions(3, at::rand({2, 5}), 10, "first");
  EXPECT_EQ(error(), "no error") << "of most of them it is not known";
  write_regions(3, at::rand({2, 5}), 10, "second");
  EXPECT_EQ(error({"output=" + (root() / "b").string()}),
            place(3) + region_file(3) + ": other weights or settings found its regions (second) than those of " + region_file(1) +
                " (first); emotion_data regions " + root().string() + " --checkpoint DETECTOR finds all with one");
}

// N = 0 of Fig 11: whatever the files hold, no region is used; none is needed either.
TEST_F(StimuliReaderTest, WithoutRegionsByConfigNoFileIsNeeded) {
  EXPECT_EQ(error({"model.semantic.regions=0"}), "no error");
  write_text(root() / "train.jsonl", "{\"image\": \"0.png\", \"labels\": [0]}\n{\"image\": \"1.png\", \"labels\": [1]}\n");
  EXPECT_EQ(error({"model.semantic.regions=0", "model.branches=[semantic]", "output=" + (root() / "two").string()}), "no error");
}

TEST_F(StimuliReaderTest, RegionFilesThatCannotBeUsed) {
  at::Tensor bad = at::rand({2, 5});
  bad[1][3] = std::numeric_limits<float>::quiet_NaN();
  write_regions(2, bad);
  EXPECT_EQ(error(),
            place(2) + region_file(2) + ": features holds NaN or infinite values; extract the regions of this image again");
  write_regions(2, at::rand({2, 6}));
  EXPECT_EQ(error({"output=" + (root() / "b").string()}),
            place(2) + region_file(2) + ": features are 6 wide, 5 is wanted; the regions of a data set come from one detector");
  for (int i = 0; i < 4; ++i) write_regions(i, at::zeros({0, 1}));
  EXPECT_EQ(error({"output=" + (root() / "c").string()}),
            (root() / "train.jsonl").string() +
                ": there is no region in any of its region files; a lower model.detector.score_threshold finds some");
  EXPECT_FALSE(fs::exists(root() / "c"));
  write_text(root() / "train.jsonl", "{\"image\": \"0.png\", \"labels\": [0], \"face\": \"face0.png\"}\n");
  EXPECT_EQ(error({"output=" + (root() / "c").string()}),
            (root() / "train.jsonl").string() + ": no sample has regions; emotion_data regions finds them");
  write_text(root() / "train.jsonl", "{\"image\": \"0.png\", \"labels\": [0], \"regions\": \"0.safetensors\"}\n");
  EXPECT_EQ(error({"output=" + (root() / "c").string(), "model.branches=[expression]"}),
            (root() / "train.jsonl").string() + ": no sample has a face; emotion_data faces finds them");
}

// emotion_data faces would look in vain once more.
TEST_F(StimuliReaderTest, TrainingPicturesThatAreKnownToHaveNoFace) {
  write_text(root() / "train.jsonl", "{\"image\": \"0.png\", \"labels\": [0]}\n{\"image\": \"1.png\", \"labels\": [1]}\n");
  const std::string where = (root() / "train.jsonl").string(), notes = "{\"detector\":\"hog\",\"size\":48}\n";
  const auto missed = [&](int i) { return fmt::format("{{\"face\":\"faces/{}.png.png\",\"found\":false}}\n", i); };
  write_text(root() / "faces/train.found.jsonl", notes + missed(0));
  EXPECT_EQ(error({"model.branches=[expression]"}), where + ": no sample has a face; emotion_data faces finds them");
  write_text(root() / "faces/train.found.jsonl", notes + missed(0) + missed(1));
  EXPECT_EQ(error({"model.branches=[expression]"}),
            where + ": no face was found in any picture; take expression out of model.branches");
}

// A validation split is refused before the training that it would measure wrongly.
TEST_F(StimuliReaderTest, AValidationSplitWithoutRegions) {
  write_text(root() / "dataset.yaml",
             "name: s\nclasses: [joy, fear]\nsplits: {train: train.jsonl, val: val.jsonl}\n"
             "polarity: {positive: [joy], negative: [fear]}\n");
  write_text(root() / "val.jsonl", "{\"image\": \"0.png\", \"labels\": [0]}\n");
  EXPECT_EQ(error({"model.branches=[semantic]", "data.val.dataset=" + root().string(), "data.val.split=val"}),
            (root() / "val.jsonl").string() + ": no sample has regions; emotion_data regions finds them");
  EXPECT_FALSE(fs::exists(root() / "run"));
}

TEST_F(StimuliReaderTest, FacesThatCannotBeUsed) {
  write_text(root() / "face3.png", "no picture");
  const std::string faces = "model.branches=[semantic, expression]";
  EXPECT_EQ(error({faces}), place(3) + "face: " + (root() / "face3.png").string() +
                                ": not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read");
  write_picture("face3.png", 48);
  EXPECT_EQ(error({faces, "output=" + (root() / "b").string()}),
            place(3) + "its face is 48x48, others are 32x32; find the faces of a data set with one size");
}

TEST_F(StimuliReaderTest, PicturesSmallerThanTheCropAndClassesWithoutPolarity) {
  write_picture("1.png", 1);
  EXPECT_EQ(error({"model.branches=[global]"}),
            place(1) + (root() / "1.png").string() +
                ": 1 x 1 pixels are fewer than data.size 32; set data.resize; "
                "data.on_error=skip leaves such pictures out, emotion_data verify lists broken ones");
  EXPECT_EQ(error({"model.branches=[global]", "data.resize=36", "output=" + (root() / "b").string()}), "no error");
  describe("polarity: {positive: [joy]}\n");
  EXPECT_EQ(
      error({"output=" + (root() / "c").string()}),
      (root() / "dataset.yaml").string() +
          ": not every class has a polarity; add polarity: {positive: [..], negative: [..]}, or set loss.polarity_weight to 0");
  EXPECT_FALSE(fs::exists(root() / "c"));
  EXPECT_EQ(error({"output=" + (root() / "c").string(), "loss.polarity_weight=0"}), "no error");
}

// A face of 32 pixels is one place in the last stage: batch statistics need two such faces in a batch.
TEST_F(StimuliReaderTest, ABatchWithASingleSmallFace) {
  write_text(root() / "train.jsonl",
             "{\"image\": \"0.png\", \"labels\": [0], \"face\": \"face0.png\"}\n{\"image\": \"1.png\", \"labels\": [1]}\n");
  EXPECT_EQ(error({"model.branches=[expression]"}),
            place(0) +
                "the only face of its batch, and 32 x 32 pixels are too few for batch statistics of one; emotion_data faces "
                "--size 48 --anew makes larger ones, or set a larger train.batch");
  write_picture("face0.png", 33);
  EXPECT_EQ(error({"model.branches=[expression]", "output=" + (root() / "b").string()}), "no error");
}

}  // namespace
}  // namespace emotion
