#include "emotion/eval/fine_tune.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/weights.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"

// What a fine-tuning is told to train. Trainings themselves: tests/commands/probe_test.cpp.
namespace emotion {
namespace {

namespace fs = std::filesystem;

class FineTuneTest : public testing::Test {
 protected:
  FineTuneTest() {
    write_text(data() / "dataset.yaml", "name: d\nclasses: [awe, fear]\nsplits: {train: a.jsonl, test: b.jsonl, two: c.jsonl}\n");
    write_text(data() / "a.jsonl", "{\"image\": \"0.png\", \"labels\": [\"awe\"]}\n");
    write_text(data() / "b.jsonl", "{\"image\": \"1.png\", \"labels\": [\"fear\"]}\n");
    write_text(data() / "c.jsonl",
               "{\"image\": \"1.png\", \"labels\": [\"fear\"]}\n{\"image\": \"2.png\", \"labels\": [\"awe\", \"fear\"]}\n");
    request_.train = {data().string(), "train"};
    request_.test = {data().string(), "test"};
    request_.device = "cpu";
  }
  fs::path data() const { return folder_.path() / "data"; }
  /// A network of a run with the given keys; task "" leaves a plain backbone of torchvision's names.
  std::string network(const std::string& task, const std::string& keys, std::int64_t channels = 3) const {
    ImageClassifier made("resnet18", 2, channels);
    StateDict state;
    if (task.empty()) {
      state = module_state(*made->backbone);
    } else {
      state = module_state(*made);
      ModelInfo info;
      info.task = task;
      info.config = "task: " + task + "\n" + keys;
      info.classes = {"awe", "fear"};
      state.metadata = info.to_metadata();
    }
    const auto file = folder_.path() / (task.empty() ? "plain.safetensors" : "net.safetensors");
    write_safetensors(file, state);
    return file.string();
  }
  RunConfig tuned(const RunConfig& config) const { return fine_tune_config(config, request_, folder_.path() / "run"); }

  ScratchFolder folder_;
  ProbeRequest request_;
};

TEST_F(FineTuneTest, PicturesAreThoseOfTheCheckpointUnlessTheRequestHasItsOwn) {
  request_.checkpoint =
      network("classifier", "model: {backbone: resnet18}\ndata: {resize: 40, size: 32, augment: random_crop, flip: false}\n");
  RunConfig config;
  config.train.epochs = 7;
  config.data.fraction = 0.5;
  RunConfig made = tuned(config);
  EXPECT_EQ(made.task, "classifier");
  EXPECT_EQ(made.model.backbone, "resnet18");
  EXPECT_EQ(made.model.init, request_.checkpoint);
  EXPECT_EQ(made.data.resize, 40);
  EXPECT_EQ(made.data.size, 32);
  EXPECT_EQ(made.data.augment, "random_crop");
  EXPECT_FALSE(made.data.flip);
  EXPECT_EQ(made.train.epochs, 7);
  EXPECT_EQ(made.data.fraction, 0.5);
  EXPECT_EQ(made.data.train, request_.train);
  EXPECT_FALSE(made.data.val);
  request_.settings = {"data.size=24"};
  EXPECT_EQ(tuned(config).data.size, 24) << "--set is over what the checkpoint has";
  config.data.size = 64;
  request_.pictures = config.data;
  EXPECT_EQ(tuned(config).data.size, 64);
}

TEST_F(FineTuneTest, ANetworkOfFacesStaysOne) {
  request_.checkpoint = network("expression", "model: {backbone: resnet18, channels: 1}\ndata: {picture: face, size: 48}\n", 1);
  const RunConfig made = tuned({});
  EXPECT_EQ(made.data.picture, "face");
  EXPECT_EQ(made.model.channels, 1);
  EXPECT_EQ(made.task, "expression") << "which alone keeps the channels in its config";
  EXPECT_EQ(parse_run_config(print_run_config(made), "printed").model.channels, 1);
}

TEST_F(FineTuneTest, PlainBackbonesAndRandomOnes) {
  request_.checkpoint = network("", "");
  request_.backbone = "resnet18";
  EXPECT_EQ(tuned({}).model.backbone, "resnet18");
  EXPECT_EQ(tuned({}).model.init, request_.checkpoint);
  request_.checkpoint = "random";
  RunConfig config;
  config.model.backbone = "resnet34";
  config.model.init = "elsewhere.pth";
  EXPECT_EQ(tuned(config).model.backbone, "resnet34");
  EXPECT_EQ(tuned(config).model.init, "");
  // As the untrained network of the other methods sees them.
  request_.settings = {"data.size=320"};
  EXPECT_EQ(error_of<ConfigError>([&] { tuned(config); }),
            "--set data.size=320: data.resize 256 is below data.size 320: validation would see pictures in a black frame; set "
            "data.resize to at least data.size");
  request_.settings = {"data.size=48", "data.resize=64"};
  EXPECT_EQ(tuned(config).data.size, 48);
}

// Their names are in its config, which is the same.
TEST_F(FineTuneTest, ARunOfOtherWeightsOrDataIsNotGoneOnWith) {
  request_.checkpoint = network("classifier", "model: {backbone: resnet18}\ndata: {resize: 32, size: 32}\n");
  const fs::path run = folder_.path() / "run";
  fs::create_directories(run / "checkpoints/last");
  const std::string split = "split train of " + data().string();
  write_contents(run / "inputs.json", {{request_.checkpoint, file_hash(request_.checkpoint)}, {split, "0"}});
  const std::string error = " changed since its training began; remove the folder to train anew, or give another --output";
  EXPECT_EQ(error_of<ConfigError>([&] { fine_tune({}, request_, run); }), run.string() + ": " + split + error);
  write_contents(run / "inputs.json", {{request_.checkpoint, "0"}});
  EXPECT_EQ(error_of<ConfigError>([&] { fine_tune({}, request_, run); }), run.string() + ": " + request_.checkpoint + error);
}

TEST_F(FineTuneTest, SeveralLabelsAreRefused) {
  request_.checkpoint = "random";
  request_.train.split = "two";
  const std::string error =
      (data() / "c.jsonl").string() + ":2: 2 labels; probe.method fine_tune trains on one label a sample: use linear or knn";
  EXPECT_EQ(error_of<DataError>([&] { tuned({}); }), error);
  request_.train.split = "train";
  request_.test.split = "two";
  EXPECT_EQ(error_of<DataError>([&] { tuned({}); }), error);
}

}  // namespace
}  // namespace emotion
