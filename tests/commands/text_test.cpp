#include <cmath>

#include <ATen/ops/eye.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/commands.h"
#include "../support/networks.h"
#include "../support/scratch.h"
#include "emotion/data/manifest.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/io/weights.h"
#include "emotion/model/load_state.h"
#include "emotion/text/textcnn.h"
#include "emotion/train/checkpoint.h"

// emotion_text as it is called, on vectors and a network whose numbers are known by hand.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TextCommandTest : public ::testing::Test {
 protected:
  Process::Result run(const Words& words) const { return command(root_, joined({"emotion_text"}, words)); }
  Json json(const std::string& name) const { return Json::parse(read_file(root_ / name)); }

  /// Two words, two emotions: a word's vector goes through every layer as it is, halved by the mean over two positions; the
  /// classifier's ln 9 then gives its emotion the logit ln 3.
  void write_textcnn() const {
    const at::NoGradGuard no_grad;
    TextCNN network(TextCNNOptions{.vocabulary = 2, .classes = 2, .dimension = 2});
    network->embedding->weight.zero_();
    network->embedding->weight.narrow(0, 0, 2).copy_(at::eye(2));
    network->conv->weight.copy_(at::eye(2).unsqueeze(2));
    network->conv->bias.zero_();
    network->hidden->weight.copy_(at::eye(2));
    network->hidden->bias.zero_();
    network->classifier->weight.copy_(at::eye(2) * std::log(9.0));
    network->classifier->bias.zero_();
    write_network(root_ / "text.safetensors", *network,
                  {.task = "textcnn",
                   .config = "task: textcnn\ntext: {max_keywords: 2}\n",
                   .classes = {"joy", "fear"},
                   .vocabulary = {"sun", "storm"}});
  }

  ScratchFolder folder_;
  fs::path root_ = folder_.path();
};

TEST_F(TextCommandTest, NearestWordsAsJson) {
  write_text(root_ / "v.txt", "4 2\nsun 1 0\nsea 0.6 0.8\nfog 0 2\nnight -1 0\n");
  const auto result = run({"nearest", "--word2vec", "v.txt", "--top", "2", "--json", "near.json", "sun", "fog"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(result.output, "");
  const Json near = json("near.json");
  ASSERT_EQ(near.size(), 2U);
  // Cosines: sun-sea 0.6, sun-fog 0, sun-night -1; fog-sea 0.8, fog-sun 0, fog-night 0.
  ASSERT_EQ(near["sun"].size(), 2U);
  EXPECT_EQ(near["sun"][0]["word"], "sea");
  EXPECT_NEAR(near["sun"][0]["score"].get<double>(), 0.6, 1e-6);
  EXPECT_EQ(near["sun"][1]["word"], "fog");
  EXPECT_NEAR(near["sun"][1]["score"].get<double>(), 0, 1e-6);
  EXPECT_EQ(near["fog"][0]["word"], "sea");
  EXPECT_NEAR(near["fog"][0]["score"].get<double>(), 0.8, 1e-6);
  for (const auto& entry : near["sun"]) EXPECT_EQ(entry.size(), 2U) << "word and score alone";

  const auto lost = run({"nearest", "--word2vec", "v.txt", "--json", "lost.json", "sum"});
  EXPECT_EQ(lost.code, 3);
  EXPECT_EQ(lost.errors, "v.txt: there is no word 'sum'; did you mean sun?\n");
  EXPECT_FALSE(fs::exists(root_ / "lost.json"));
  const auto some = run({"nearest", "--word2vec", "v.txt", "sea", "sum", "fig"});
  EXPECT_EQ(some.code, 3);
  EXPECT_EQ(some.output, "") << "all words are looked for before anything is printed";
  EXPECT_EQ(some.errors, "v.txt: there are no words 'sum' (did you mean sun?), 'fig' (did you mean fog?)\n");
}

// A training may take hours: where its words go is asked before, and what was kept of it goes last.
TEST_F(TextCommandTest, BothFilesOfATrainingAreAskedForBefore) {
  write_text(root_ / "d/dataset.yaml", "classes: [awe]\nsplits: {train: train.jsonl}\n");
  write_text(root_ / "d/train.jsonl", "{\"image\": \"a.jpg\", \"keywords\": [\"sun\", \"sea\"]}\n");
  const std::vector<std::string> words{"word2vec", "--data", "d",           "--split", "train",
                                       "--out",    "v.txt",  "--min-count", "1",       "--vocabulary"};
  auto lost = words, good = words;
  lost.emplace_back("nowhere/words");
  const auto result = run(lost);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.errors, "nowhere/words: cannot be written: No such file or directory\n");
  EXPECT_FALSE(fs::exists(root_ / "v.txt"));
  good.emplace_back("words.txt");
  EXPECT_EQ(run(good).code, 0);
  EXPECT_EQ(read_file(root_ / "words.txt"), "sea\nsun\n");
  EXPECT_FALSE(fs::exists(root_ / "v.txt.state"));
}

TEST_F(TextCommandTest, EmotionsInKeywords) {
  write_textcnn();
  const auto sun = run({"textcnn-predict", "--checkpoint", "text.safetensors", "sun"});
  EXPECT_EQ(sun.code, 0) << sun.errors;
  EXPECT_EQ(sun.output, "joy                      0.7500\nfear                     0.2500\n");  // e^ln 3 / (e^ln 3 + 1)
  EXPECT_EQ(run({"textcnn-predict", "--checkpoint", "text.safetensors", "--top", "1", "storm"}).output,
            "fear                     0.7500\n");
  const auto both = run({"textcnn-predict", "--checkpoint", "text.safetensors", "--json", "p.json", "storm", "sun"});
  EXPECT_EQ(both.output, "");
  EXPECT_NEAR(json("p.json")["probabilities"]["joy"].get<double>(), 0.5, 1e-6);
  EXPECT_EQ(json("p.json")["probabilities"].size(), 2U);
  const auto unknown = run({"textcnn-predict", "--checkpoint", "text.safetensors", "sun", "glee"});
  EXPECT_EQ(unknown.errors, "warning: 'glee' is not in the vocabulary\n");
  EXPECT_EQ(unknown.output, sun.output);
  const auto emotion = run({"textcnn-predict", "--checkpoint", "text.safetensors", "joy", "sun"});
  EXPECT_EQ(emotion.errors, "warning: 'joy' is a class: the TextCNN reads the other keywords\n");
  EXPECT_EQ(emotion.output, sun.output);
  EXPECT_EQ(run({"textcnn-predict", "--checkpoint", "text.safetensors", "Joy", "sun"}).errors,
            "warning: 'Joy' is a class: the TextCNN reads the other keywords\n");
}

TEST_F(TextCommandTest, OfUnknownWordsNothingIsSaid) {
  write_textcnn();
  const auto unknown = run({"textcnn-predict", "--checkpoint", "text.safetensors", "joy", "glee", "mirth"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_EQ(unknown.errors,
            "text.safetensors: no keyword is in its vocabulary (glee, mirth); give words that it was trained on\n");
  EXPECT_EQ(unknown.output, "");
}

// Old word vectors are in any encoding.
TEST_F(TextCommandTest, WordsThatAreNotUtf8AreNoEndOfTheOthers) {
  write_text(root_ / "v.txt", "3 2\nsea 1 0\ncaf\xe9 0.6 0.8\nfog 0 1\n");
  const auto result = run({"nearest", "--word2vec", "v.txt", "--top", "2", "--json", "near.json", "sea", "caf\xe9"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const Json near = json("near.json");
  EXPECT_EQ(near["sea"][0]["word"], "caf\xef\xbf\xbd") << "U+FFFD in its place";
  EXPECT_EQ(near["sea"][1]["word"], "fog");
  EXPECT_EQ(near["caf\xef\xbf\xbd"][0]["word"], "fog");
}

TEST_F(TextCommandTest, ALabelledSetKeepsWhatItsSourceHas) {
  write_textcnn();
  write_text(
      root_ / "source/dataset.yaml",
      "name: s\nclasses: [awe, joy]\npolarity: {positive: [awe, joy]}\nimage_root: ../pictures\nsplits: {train: train.jsonl}\n");
  write_text(root_ / "source/train.jsonl",
             R"({"image": "1.png", "labels": ["awe"], "votes": ["awe", "joy"], "keywords": ["sun"], "face": "faces/1.png", )"
             R"("regions": "regions/1.safetensors", "box": [1, 2, 3, 4], "source": "before/1.png"})"
             "\n");
  for (const char* name : {"source/faces/1.png", "source/regions/1.safetensors", "pictures/1.png"}) write_text(root_ / name, "x");
  const auto result = run({"label", "--checkpoint", "text.safetensors", "--data", "source", "--out", "labelled"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const Dataset dataset = Dataset::open(root_ / "labelled");
  EXPECT_EQ(dataset.name, "s-labelled");
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"joy", "fear"}));
  EXPECT_EQ(dataset.positive, std::vector<std::string>{"joy"});
  const Manifest manifest = Manifest::open(dataset, "train");
  const SampleView sample = manifest[0];
  EXPECT_EQ(read_file(manifest.image_path(0)), "x");
  EXPECT_EQ(read_file(stimulus_path(dataset, sample.face)), "x");
  EXPECT_EQ(read_file(stimulus_path(dataset, sample.regions)), "x");
  EXPECT_EQ(sample.source, "before/1.png");
  EXPECT_EQ(*sample.box, (std::array<float, 4>{1, 2, 3, 4}));
  ASSERT_EQ(sample.labels.size(), 1U);
  EXPECT_EQ(sample.labels[0], 0U) << "joy, by the sun";
  EXPECT_TRUE(sample.votes.empty());
}

TEST_F(TextCommandTest, LabelsOfUnknownWordsAreCounted) {
  write_textcnn();
  write_text(root_ / "source/dataset.yaml", "name: s\nclasses: [joy]\nsplits: {train: train.jsonl}\n");
  const std::string strange = "{\"image\": \"1.png\", \"keywords\": [\"glee\", \"mirth\"]}\n";
  write_text(root_ / "source/train.jsonl", strange + "{\"image\": \"2.png\", \"keywords\": [\"glee\", \"storm\"]}\n");
  const std::vector<std::string> label{"label", "--checkpoint", "text.safetensors", "--data", "source",
                                       "--out", "labelled",     "--log-level",      "warning"};
  const auto some = run(label);
  EXPECT_EQ(some.code, 0);
  EXPECT_EQ(
      some.errors,
      "warning: source/train.jsonl: 1 of 2 samples have no keyword that the TextCNN knows: their labels are what it says of "
      "unknown words\n");
  fs::remove_all(root_ / "labelled");
  write_text(root_ / "source/train.jsonl", strange);
  const auto all = run(label);
  EXPECT_EQ(all.code, 3);
  EXPECT_EQ(all.errors, "source/train.jsonl: no sample has a keyword that the TextCNN knows; it was trained on other words\n");
  EXPECT_FALSE(fs::exists(root_ / "labelled/dataset.yaml"));
}

TEST_F(TextCommandTest, SamplesWithoutAKeywordToReadAreSkippedOnDemand) {
  write_textcnn();
  write_text(root_ / "source/dataset.yaml", "name: s\nclasses: [joy]\nsplits: {train: train.jsonl}\n");
  write_text(root_ / "source/train.jsonl",
             "{\"image\": \"1.png\", \"keywords\": [\"joy\"]}\n{\"image\": \"2.png\"}\n"
             "{\"image\": \"3.png\", \"keywords\": [\"storm\"]}\n");
  const auto result = run(
      {"label", "--checkpoint", "text.safetensors", "--data", "source", "--out", "labelled", "--skip", "--log-level", "warning"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.errors,
            "warning: source/train.jsonl: 2 of 3 samples have no keyword that the TextCNN could read: left out (--skip)\n");
  const Manifest manifest = Manifest::open(Dataset::open(root_ / "labelled"), "train");
  ASSERT_EQ(manifest.size(), 1U);
  EXPECT_EQ(manifest[0].image, "3.png");
  EXPECT_EQ(manifest[0].labels[0], 1U) << "fear, by the storm";
}

TEST_F(TextCommandTest, AHalfMadeLabelledSetIsMadeAnew) {
  write_textcnn();
  write_text(root_ / "source/dataset.yaml", "name: s\nclasses: [joy]\nsplits: {train: train.jsonl, test: test.jsonl}\n");
  write_text(root_ / "source/train.jsonl", "{\"image\": \"1.png\", \"keywords\": [\"sun\"]}\n");
  write_text(root_ / "source/test.jsonl", "{\"image\": \"2.png\", \"keywords\": [\"joy\"]}\n");
  const std::vector<std::string> label{"label", "--checkpoint", "text.safetensors", "--data", "source", "--out", "labelled"};
  const auto broken = run(label);
  EXPECT_EQ(broken.code, 3);
  EXPECT_THAT(broken.errors, ::testing::EndsWith("source/test.jsonl:1: no keyword that the TextCNN could read; leave the sample "
                                                 "out, as --skip does\n"));
  write_text(root_ / "source/test.jsonl", "{\"image\": \"2.png\", \"keywords\": [\"storm\"]}\n");
  const auto mended = run(label);
  EXPECT_EQ(mended.code, 0) << mended.errors;
  EXPECT_EQ(Manifest::open(Dataset::open(root_ / "labelled"), "test")[0].labels[0], 1U);
  const auto again = run(label);
  EXPECT_EQ(again.code, 2);
  EXPECT_EQ(again.errors, "labelled: there is a data set already; give another --out\n");
}

}  // namespace
}  // namespace emotion
