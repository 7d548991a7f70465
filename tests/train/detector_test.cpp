#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/bottom_up_weights.h"
#include "../support/detector_weights.h"
#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"
#include "emotion/eval/extract_regions.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/stimuli/bottom_up.h"
#include "emotion/train/task.h"
#include "emotion/train/trainer.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

/// A tiny detector on a few scenes of 32 pixels.
class DetectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kError);
    write_synth({.kind = "scenes", .out = data(), .count = 20, .size = 32, .seed = 2, .workers = 1});
  }
  fs::path data() const { return folder_.path() / "scenes"; }

  RunConfig config(const std::string& run, const std::vector<std::string>& more = {}) const {
    write_text(
        folder_.path() / "run.yaml",
        "task: detector\noutput: " + (folder_.path() / run).string() + "\ndata: {train: {dataset: " + data().string() +
            ", split: train}, val: {dataset: " + data().string() +
            ", split: val}}\nmodel: {backbone: resnet18, detector: {min_size: 32, max_size: 32, anchor_size: 4, channels: 8, "
            "head: "
            "16, norm: batch, proposal_samples: 16, box_samples: 8, train_proposals: 20, proposals: 20, score_threshold: 0}}\n"
            "optimizer: {lr: 1.0e-3}\ntrain: {epochs: 2, batch: 4, log_every: 1}\ndevice: cpu\n");
    return load_run_config(folder_.path() / "run.yaml", more);
  }
  static std::string error(const RunConfig& config) {
    return error_of<Error>([&] { train(config, false); });
  }

  ScratchFolder folder_;
};

void expect_same(const fs::path& a, const fs::path& b) {
  const StateDict left = read_safetensors(a), right = read_safetensors(b);
  ASSERT_EQ(left.entries.size(), right.entries.size());
  for (std::size_t i = 0; i < left.entries.size(); ++i)
    EXPECT_TRUE(left.entries[i].tensor.equal(right.entries[i].tensor)) << left.entries[i].name;
}

TEST_F(DetectorTest, TrainsEvaluatesAndResumesToTheSameBits) {
  train(config("whole"), false);
  train(config("parts", {"train.max_steps=3"}), false);
  train(config("parts"), true);
  const auto model = [&](const char* run) { return folder_.path() / run / "checkpoints/last/model.safetensors"; };
  expect_same(model("whole"), model("parts"));
  bool trained = false, evaluated = false;
  std::ifstream lines(folder_.path() / "whole/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["split"] == "train") {
      trained = true;
      const double sum = json["loss_classifier"].get<double>() + json["loss_box_reg"].get<double>() +
                         json["loss_objectness"].get<double>() + json["loss_rpn_box_reg"].get<double>();
      EXPECT_NEAR(json["loss"].get<double>(), sum, 1e-5);
    } else {
      evaluated = true;
      EXPECT_GE(json["AP50"].get<double>(), json["AP"].get<double>());
    }
  }
  EXPECT_TRUE(trained && evaluated);
  const auto metadata = read_safetensors_metadata(model("whole"));
  EXPECT_EQ(metadata.at("task"), "detector");
  EXPECT_EQ(nlohmann::json::parse(metadata.at("classes")).size(), 28U);
}

TEST_F(DetectorTest, FrozenNormsWantTrainedStatistics) {
  EXPECT_EQ(error(config("fresh", {"model.detector.norm=frozen"})),
            "model.detector.norm is frozen and model.init is missing: norms without trained statistics normalise nothing; set "
            "model.detector.norm: batch, or model.init");
  EXPECT_FALSE(fs::exists(folder_.path() / "fresh"));
}

// Sixteen pictures in batches of five: the one that is left has no batch statistics, and frozen norms want none.
TEST_F(DetectorTest, ALastPictureIsLeftOutForBatchStatisticsAlone) {
  const auto steps = [&](const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> settings{"train.epochs=1", "train.batch=5"};
    settings.insert(settings.end(), more.begin(), more.end());
    train(config(run, settings), false);
    return fs::read_symlink(folder_.path() / run / "checkpoints/last").string();
  };
  EXPECT_EQ(steps("batch", {}), "step-3");
  EXPECT_EQ(steps("frozen", {"model.detector.norm=frozen", "model.init=" + (folder_.path() / "batch").string()}), "step-4");
}

TEST_F(DetectorTest, BadAnnotationsAreNamed) {
  const std::string file = (data() / "annotations/train.json").string();
  auto json = nlohmann::json::parse(read_file(file));
  const auto original = json;
  json["annotations"][0]["category_id"] = 99;
  write_text(file, json.dump());
  EXPECT_EQ(error(config("a")), file + ": annotation 1: category_id 99 is not in 'categories'");
  json = original;
  json["annotations"] = nlohmann::json::array();
  write_text(file, json.dump());
  EXPECT_EQ(error(config("b")), file + ": there is no box in any picture of the split; nothing can be learnt");
  json = original;
  json["images"][0]["width"] = 33;
  write_text(file, json.dump());
  EXPECT_EQ(error(config("c", {"data.shuffle=false"})),
            (data() / "train.jsonl").string() + ":1: the picture is 32 x 32 pixels, its annotations say 33 x 32");
  EXPECT_FALSE(fs::exists(folder_.path() / "a"));
}

TEST_F(DetectorTest, RegionsOfADataSetGoOnWhereTheyStopped) {
  train(config("run", {"train.max_steps=1"}), false);
  const Device device = Device::open("cpu");
  const TrainedDetector detector = load_detector(folder_.path() / "run", {}, device);
  const Dataset dataset = Dataset::open(data());
  const RegionOptions options{.top = 3, .batch = 4};
  ProcessGroup alone;
  const RegionSummary first = extract_regions(Manifest::open(dataset, "train"), detector, device, options, alone);
  EXPECT_EQ(first.images, 16U);
  EXPECT_EQ(first.known, 0U);
  const Manifest manifest = Manifest::open(dataset, "train");
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const RegionFile regions = read_region_file(data() / manifest[i].regions, 16);
    EXPECT_LE(regions.scores.size(0), 3);
    EXPECT_EQ(regions.classes.size(), 28U);
    EXPECT_TRUE(std::get<0>(regions.scores.sort(0, /*descending=*/true)).equal(regions.scores));
  }
  // One is gone, one is damaged, the others are kept.
  const fs::path gone = data() / manifest[2].regions, damaged = data() / manifest[3].regions;
  const RegionFile before = read_region_file(gone);
  fs::remove(gone);
  fs::resize_file(damaged, 100);
  EXPECT_EQ(extract_regions(manifest, detector, device, options, alone).known, 14U);
  // Close, not the same bits: it went through the network in another batch.
  EXPECT_TRUE(at::allclose(read_region_file(gone).scores, before.scores, 1e-3, 1e-5));
  EXPECT_EQ(extract_regions(Manifest::open(dataset, "train"), detector, device, options, alone).known, 16U);
  EXPECT_EQ(extract_regions(Manifest::open(dataset, "train"), detector, device, {.top = 2, .batch = 4}, alone).known,
            0U);  // fewer
  const TrainedDetector lower = load_detector(folder_.path() / "run", {"model.detector.score_threshold=0.5"}, device);
  EXPECT_EQ(extract_regions(Manifest::open(dataset, "train"), lower, device, {.top = 2, .batch = 4}, alone).known,
            0U);  // other settings
}

TEST_F(DetectorTest, ABrokenPictureIsCountedAndHasNoRegions) {
  train(config("run", {"train.max_steps=1"}), false);
  const Device device = Device::open("cpu");
  const TrainedDetector detector = load_detector(folder_.path() / "run", {}, device);
  const Dataset dataset = Dataset::open(data());
  write_text(data() / Manifest::open(dataset, "val")[0].image, "no picture");
  ProcessGroup alone;
  const RegionSummary summary = extract_regions(Manifest::open(dataset, "val"), detector, device, {}, alone);
  EXPECT_EQ(summary.broken, 1U);
  const Manifest manifest = Manifest::open(dataset, "val");
  EXPECT_TRUE(manifest[0].regions.empty());
  EXPECT_FALSE(manifest[1].regions.empty());
}

// A state_dict as torchvision saves it, old names and all: sizes come from the shapes, classes from their number.
TEST_F(DetectorTest, PlainWeightsAreReadWithoutAConfig) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18", .classes = 90, .channels = 8, .head = 16});
  StateDict state;
  for (const auto& [name, tensor] : module_state(*network).entries) {
    if (name.ends_with("num_batches_tracked")) continue;
    state.add(name.starts_with("rpn.head.conv.0.0.") ? "rpn.head.conv." + name.substr(18) : name, tensor);
  }
  write_safetensors(folder_.path() / "plain.safetensors", state);
  const TrainedDetector detector =
      load_detector(folder_.path() / "plain.safetensors", {"model.detector.min_size=64"}, Device::open("cpu"));
  EXPECT_EQ(detector.config.model.backbone, "resnet18");
  EXPECT_EQ(detector.config.model.detector.head, 16);
  EXPECT_EQ(detector.config.model.detector.norm_eps, 0);
  EXPECT_EQ(detector.network->transform().min_size, 64);
  EXPECT_EQ(detector.classes.size(), 90U);
  EXPECT_EQ(detector.classes[0], "person");
  state.entries.erase(state.entries.begin());
  write_safetensors(folder_.path() / "part.safetensors", state);
  const std::string error =
      error_of<WeightsError>([&] { load_detector(folder_.path() / "part.safetensors", {}, Device::open("cpu")); });
  EXPECT_TRUE(error.starts_with((folder_.path() / "part.safetensors").string() + ": backbone.body.conv1.weight is missing"))
      << error;
}

// torchvision sets the eps of its COCO_V1 network to 0 and saves it under names that no longer tell.
TEST_F(DetectorTest, WeightsThatMayBeCocosUnderTodaysNamesAreTold) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18", .classes = 90, .channels = 8, .head = 16});
  const StateDict counted = module_state(*network);
  StateDict state;  // of frozen norms, which count nothing
  for (const auto& [name, tensor] : counted.entries) {
    if (!name.ends_with("num_batches_tracked")) state.add(name, tensor);
  }
  const fs::path saved = folder_.path() / "saved.safetensors", trained = folder_.path() / "trained.safetensors";
  write_safetensors(saved, state);
  write_safetensors(trained, counted);
  const std::string end = "; nothing in the file tells whether it holds them, 1e-05 is used",
                    begin = saved.string() + ": torchvision's COCO_V1 weights, saved again, want ";
  const auto load = [](const fs::path& file, const std::vector<std::string>& settings) {
    LogCapture capture(LogLevel::kWarning);
    const TrainedDetector detector = load_detector(file, settings, Device::open("cpu"));
    EXPECT_EQ(detector.config.model.detector.norm_eps, settings.empty() ? 1e-5 : 0);
    return capture.text();
  };
  const auto init = [&](const std::string& eps) {
    LogCapture capture(LogLevel::kWarning);
    make_task(config("run", {"model.init=" + saved.string(), "model.detector.norm_eps=" + eps}), Device::open("cpu"));
    return capture.text();
  };
  const std::string loaded = load(saved, {}), begun = init("1e-5");
  EXPECT_NE(loaded.find(begin + "--set model.detector.norm_eps=0" + end), std::string::npos) << loaded;
  EXPECT_NE(begun.find(begin + "model.detector.norm_eps 0" + end), std::string::npos) << begun;
  EXPECT_EQ(load(saved, {"model.detector.norm_eps=0"}), "");
  EXPECT_EQ(load(trained, {}), "");
  EXPECT_EQ(init("0"), "");
}

// Of bottom-up attention only what its weights do not decide can be set; what is set is in the region files' source.
TEST_F(DetectorTest, BottomUpAttentionTakesSettings) {
  BottomUp network(BottomUpOptions{.blocks = {1, 1, 1, 1}, .classes = 5, .attributes = 3});
  fill_bottom_up(*network);
  const fs::path file = folder_.path() / "bottom_up.safetensors";
  write_safetensors(file, detectron_weights(module_state(*network), /*airsplay=*/true));
  const Device device = Device::open("cpu");
  const at::Tensor picture = detector_picture(96, 128, 0).mul(255).to(at::kByte).permute({1, 2, 0}).contiguous();
  const auto load = [&](std::vector<std::string> settings) {
    for (std::string& setting : settings) setting.insert(0, "model.detector.");
    return load_detector(file, settings, device);
  };
  const std::string small = "min_size=96";
  // Few proposals: the fifth stage on each of them takes nearly all the time.
  const auto find = [&](std::vector<std::string> settings, std::int64_t top, const std::string& proposals = "20") {
    settings.insert(settings.end(), {small, "proposals=" + proposals});
    return find_regions(picture, load(settings), device, top).scores;
  };
  const auto count = [&](const std::vector<std::string>& settings) { return find(settings, 100).size(0); };
  const TrainedDetector usual = load({}), own = load({small});
  EXPECT_EQ(usual.network->transform().min_size, 600);
  EXPECT_EQ(usual.network->transform().max_size, 1000);
  EXPECT_EQ(own.network->transform().min_size, 96);
  EXPECT_EQ(load({"max_size=700"}).network->transform().max_size, 700);
  EXPECT_GT(count({"score_threshold=0"}), 10);
  EXPECT_EQ(count({"score_threshold=0", "detections=7"}), 7);
  EXPECT_EQ(count({"score_threshold=1"}), 10);  // the best ten whatever their scores
  EXPECT_EQ(count({"score_threshold=1", "detections=4"}), 4);
  EXPECT_EQ(find({"score_threshold=0"}, 100, "9").size(0), 9);
  // No region goes at 1; at 0 the first of a class is all that is left of it, with a score of its own.
  const auto sum = [&](const std::string& threshold) {
    return find({"score_threshold=0", "detections=1000", "nms_threshold=" + threshold}, 1000).sum().item<double>();
  };
  EXPECT_GT(sum("1"), sum("0"));

  const std::string source = region_source(usual);
  EXPECT_EQ(region_source(own), source + ", model.detector.min_size=96");
  EXPECT_EQ(region_source(load({"min_size=600"})), source);
  const auto refused = [&](const std::string& setting) {
    return error_of<ConfigError>([&] { load_detector(file, {setting}, device); });
  };
  EXPECT_EQ(
      refused("model.detector.anchor_size=16"),
      "--set model.detector.anchor_size=16: " + file.string() +
          " is bottom-up attention, whose weights decide that; model.detector.{min_size, max_size, proposals, nms_threshold, "
          "score_threshold, detections} can be set");
  EXPECT_TRUE(refused("model.backbone=resnet18").starts_with("--set model.backbone=resnet18: "));
  const std::string unknown = refused("model.detector.min_siz=100");
  EXPECT_TRUE(unknown.starts_with("--set model.detector.min_siz=100: ")) << unknown;
}

// As a checkpoint such a file brings its norm_eps along; a run has its own.
TEST_F(DetectorTest, BeginningFromWeightsOf2019WithAnotherNormEpsIsTold) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18", .classes = 90, .channels = 8, .head = 16});
  StateDict state = module_state(*network), old;
  for (const auto& [name, tensor] : state.entries)
    old.add(name.starts_with("rpn.head.conv.0.0.") ? "rpn.head.conv." + name.substr(18) : name, tensor);
  const fs::path today = folder_.path() / "today.safetensors", before = folder_.path() / "before.safetensors";
  write_safetensors(today, state);
  write_safetensors(before, old);
  const auto log = [&](const fs::path& init, const std::string& eps) {
    LogCapture capture(LogLevel::kWarning);
    make_task(config("run", {"model.init=" + init.string(), "model.detector.norm_eps=" + eps}), Device::open("cpu"));
    return capture.text();
  };
  const std::string warning = before.string() +
                              ": torchvision's weights of 2019 were made with norms that add nothing to the variance, "
                              "model.detector.norm_eps is 1e-05; set it to 0 to begin with the published network";
  const std::string text = log(before, "1e-5");
  EXPECT_NE(text.find(warning), std::string::npos) << text;
  EXPECT_EQ(log(before, "0"), "");
  EXPECT_EQ(log(today, "1e-5"), "");
}

}  // namespace
}  // namespace emotion
