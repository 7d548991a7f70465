#include <ATen/ops/equal.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/train/task.h"
#include "emotion/train/trainer.h"

// Which keywords a TextCNN is shown: those that its classes are read from would tell it the answer.
namespace emotion {
namespace {

using ::testing::ElementsAre;
using Words = std::vector<std::string>;

class TextCNNTest : public ::testing::Test {
 protected:
  TextCNNTest() {
    set_log_level(LogLevel::kError);
    write_text(path("d/dataset.yaml"), "classes: [fear, joy]\nsplits: {train: t.jsonl}\n");
    write_text(path("words.tsv"), "joyful\thappiness\ngloomy\tsadness\n");
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void write_samples(const std::vector<std::string>& rest) const {
    std::string lines;
    for (const auto& one : rest) lines += fmt::format("{{\"image\": \"{}.png\", {}}}\n", lines.size(), one);
    write_text(path("d/t.jsonl"), lines);
  }
  RunConfig config(const std::vector<std::string>& settings) const {
    const std::string yaml = fmt::format(
        "task: textcnn\noutput: {}\ndevice: cpu\ndata: {{train: {{dataset: {}, split: train}}}}\ntext: {{max_keywords: 3}}\n"
        "train: {{epochs: 1, batch: 4}}\n",
        path("run"), path("d"));
    return parse_run_config(yaml, "test", settings);
  }
  std::unique_ptr<Task> task(const std::vector<std::string>& settings) const {
    return make_task(config(settings), Device::open("cpu"));
  }
  /// How far apart is what the network says of the first two samples.
  static double difference(Task& task) {
    const at::NoGradGuard no_grad;
    task.network().eval();
    const at::Tensor logits = task.forward({.samples = {0, 1}, .images = {}, .upcoming = {}}, nullptr, Split::kTrain).logits;
    return (logits[0] - logits[1]).abs().max().item<double>();
  }

  ScratchFolder folder_;
};

// Sec 5.3: the eight classes of SE30K8 are what people say of the picture, and "keywords often contain clear indicators of
// emotion".
TEST_F(TextCNNTest, NamesOfClassesAreReadWhereTheLabelsComeFromElsewhere) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea", "fear"])", R"("labels": ["joy"], "keywords": ["sea"])"});
  const auto usual = task({});
  EXPECT_THAT(usual->info().vocabulary, ElementsAre("sea"));
  EXPECT_NEAR(difference(*usual), 0, 1e-5);
  const auto reading = task({"text.exclude_classes=false"});
  EXPECT_THAT(reading->info().vocabulary, ElementsAre("sea", "fear"));
  EXPECT_GT(difference(*reading), 1e-3);
  for (const auto& [setting, excluded] : {std::pair{"true", Words{"fear", "joy"}}, {"false", Words()}}) {
    train(config({std::string("text.exclude_classes=") + setting, "output=" + path(setting)}), false);
    const TrainedTextCNN trained = load_textcnn(path(setting));
    EXPECT_EQ(trained.excluded, excluded);
    std::vector<std::int64_t> ids(3);
    const Manifest manifest = Manifest::open(Dataset::open(path("d")), "train");
    EXPECT_EQ(trained.encoder(manifest).encode(0, ids.data()), excluded.empty() ? 2 : 1);
  }
}

TEST_F(TextCNNTest, ClassesAreNotReadFromWhatIsShown) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea"])", R"("keywords": ["joy", "sea"])"});
  const std::string where = path("d/t.jsonl:2");
  EXPECT_EQ(
      error_of<ConfigError>([&] { task({"text.exclude_classes=false"}); }),
      "text.exclude_classes is false, and " + where +
          " has its class from its keywords: the TextCNN would read the answer; set it to true, or give such samples labels");
  EXPECT_NO_THROW(task({}));
}

TEST_F(TextCNNTest, WordsThatStandForAClassAreNotRead) {
  write_samples({R"("keywords": ["joyful", "beach"])", R"("keywords": ["gloomy", "beach"])"});
  const auto by_file = task({"data.targets=" + path("words.tsv")});
  EXPECT_THAT(by_file->info().classes, ElementsAre("happiness", "sadness"));
  EXPECT_THAT(by_file->info().vocabulary, ElementsAre("beach"));
  EXPECT_NEAR(difference(*by_file), 0, 1e-5);
  train(config({"data.targets=" + path("words.tsv")}), false);
  EXPECT_THAT(load_textcnn(path("run")).excluded, ElementsAre("gloomy", "joyful"));

  write_samples({R"("labels": ["fear"], "keywords": ["fear", "beach"])", R"("labels": ["joy"], "keywords": ["joy", "beach"])"});
  const auto one_vs_all = task({"data.targets=one_vs_all:fear"});
  EXPECT_THAT(one_vs_all->info().classes, ElementsAre("fear", "not fear"));
  EXPECT_THAT(one_vs_all->info().vocabulary, ElementsAre("beach"));
  EXPECT_NEAR(difference(*one_vs_all), 0, 1e-5);
}

// Words are looked up without their case: the names of classes are kept back likewise.
TEST_F(TextCNNTest, AClassIsNotReadInWhateverCaseItsWordIsWritten) {
  write_text(path("d/dataset.yaml"), "classes: [Happy, in fear]\nsplits: {train: t.jsonl}\n");
  write_samples({R"("labels": ["Happy"], "keywords": ["happy", "beach", "HAPPY"])",
                 R"("labels": ["in fear"], "keywords": ["In_Fear", "beach"])"});
  const auto by_names = task({});
  EXPECT_THAT(by_names->info().vocabulary, ElementsAre("beach"));
  EXPECT_THAT(by_names->info().class_words, ElementsAre("Happy", "in fear"));
  EXPECT_NEAR(difference(*by_names), 0, 1e-5);
}

// A vocabulary in another order would give every word another's vector.
TEST_F(TextCNNTest, WordsAndVectorsAreThoseOfTheWeightsThatItBeginsWith) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea"])", R"("labels": ["joy"], "keywords": ["sky"])"});
  train(config({}), false);
  const std::string init = "model.init=" + path("run");
  for (const char* words : {"sky\nsea\n", "sea\n"}) {
    write_text(path("words.txt"), words);
    EXPECT_EQ(error_of<ConfigError>([&] {
                task({init, "text.vocabulary=" + path("words.txt")});
              }),
              "text.vocabulary: " + path("words.txt") + " has other words than " + path("run") +
                  ", or in another order: they would have each other's vectors; leave it out");
  }
  write_text(path("words.txt"), "sea\nsky\n");
  EXPECT_THAT(task({init, "text.vocabulary=" + path("words.txt")})->info().vocabulary, ElementsAre("sea", "sky"));
  LogCapture log(LogLevel::kWarning);
  EXPECT_NO_THROW(task({init, "text.word2vec=" + path("none.bin")}));
  EXPECT_THAT(log.text(), ::testing::HasSubstr("text.word2vec is not read: model.init has the vectors of its words\n"));
}

// As many classes are not the same ones: "replace the last fully-connected layer with a new one" (Sec 5.2).
TEST_F(TextCNNTest, ATrainingBegunWithWeightsOfOtherClassesHasAClassifierOfItsOwn) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea"])", R"("labels": ["joy"], "keywords": ["sky"])"});
  train(config({}), false);
  const StateDict from = read_safetensors(find_model_file(path("run")));
  const auto taken = [&](const std::string& name) {
    const auto begun = task({"model.init=" + path("run")});
    return at::equal(*module_state(begun->network()).find(name), *from.find(name));
  };
  EXPECT_TRUE(taken("classifier.weight"));
  for (const std::string classes : {"joy, fear", "fear, joy, awe"}) {
    write_text(path("d/dataset.yaml"), "classes: [" + classes + "]\nsplits: {train: t.jsonl}\n");
    EXPECT_FALSE(taken("classifier.weight")) << classes;
    EXPECT_TRUE(taken("hidden.weight")) << classes;
  }
}

// A file of before, or of another program.
TEST_F(TextCNNTest, WithoutAListOfItsOwnTheNamesOfTheClassesAreNotRead) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea"])", R"("labels": ["joy"], "keywords": ["sea"])"});
  train(config({}), false);
  const auto file = find_model_file(path("run"));
  StateDict state = read_safetensors(file);
  EXPECT_EQ(state.metadata.at("class_words"), R"(["fear","joy"])");
  state.metadata.erase("class_words");
  write_safetensors(path("before.safetensors"), state);
  EXPECT_THAT(load_textcnn(path("before.safetensors")).excluded, ElementsAre("fear", "joy"));
}

TEST_F(TextCNNTest, SamplesWithoutAKeywordAreLeftOutWhereTheRunSkips) {
  write_samples({R"("labels": ["fear"], "keywords": ["sea", "fear"])", R"("labels": ["joy"], "keywords": ["joy"])",
                 R"("labels": ["joy"], "keywords": ["sky"])", R"("labels": ["fear"])"});
  const std::string stop =
      path("d/t.jsonl:2") +
      ": no non-emotion keyword: the TextCNN has nothing to read; data.on_error=skip leaves such samples out";
  EXPECT_EQ(error_of<DataError>([&] { task({}); }), stop);
  const std::string val = "data.val={dataset: " + path("d") + ", split: train}";
  const auto skips = task({"data.on_error=skip", val});
  for (const Split split : {Split::kTrain, Split::kValidation}) EXPECT_THAT(*skips->chosen(split), ElementsAre(0U, 2U));
  train(config({"data.on_error=skip", val, "train.batch=2", "train.log_every=1"}), false);
  EXPECT_TRUE(std::filesystem::exists(path("run/checkpoints/step-1"))) << "one batch of two";

  const std::vector<std::string> soft{"task=emotionnet", "text.textcnn=" + path("run"), "loss.embedding_weight=0",
                                      "model.backbone=resnet18"};
  EXPECT_EQ(error_of<DataError>([&] { task(soft); }), stop);
  auto soft_skips = soft;
  soft_skips.insert(soft_skips.end(), {"data.on_error=skip", val});
  const auto net = task(soft_skips);
  for (const Split split : {Split::kTrain, Split::kValidation}) EXPECT_THAT(*net->chosen(split), ElementsAre(0U, 2U));
}

TEST_F(TextCNNTest, SoftLabelsAreNotReadFromTheWordsOfTheTargetsEither) {
  write_samples({R"("labels": ["fear"], "keywords": ["joyful"])", R"("labels": ["joy"], "keywords": ["beach"])"});
  train(config({}), false);
  write_text(path("own.tsv"), "joyful\tjoy\nbeach\tfear\n");
  write_text(path("d/t.jsonl"),
             "{\"image\": \"a.png\", \"keywords\": [\"sea\", \"beach\"]}\n"
             "{\"image\": \"b.png\", \"keywords\": [\"joyful\"]}\n");
  const std::vector<std::string> soft{"task=emotionnet", "text.textcnn=" + path("run"), "loss.embedding_weight=0",
                                      "model.backbone=resnet18", "data.targets=" + path("own.tsv")};
  EXPECT_THAT(error_of<DataError>([&] { task(soft); }),
              ::testing::StartsWith(path("d/t.jsonl:2") + ": no non-emotion keyword: the TextCNN has nothing to read"));
}

}  // namespace
}  // namespace emotion
