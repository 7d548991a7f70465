#include <cmath>

#include <ATen/ops/eye.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/process.h"
#include "../support/scratch.h"
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
  Process::Result run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), std::string(EMOTION_BIN) + "/emotion_text");
    return Process(root_, arguments).wait();
  }
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
    StateDict state = module_state(*network);
    ModelInfo info;
    info.task = "textcnn";
    info.config = "task: textcnn\ntext: {max_keywords: 2}\n";
    info.classes = {"joy", "fear"};
    info.vocabulary = {"sun", "storm"};
    state.metadata = info.to_metadata();
    write_safetensors(root_ / "text.safetensors", state);
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
}

}  // namespace
}  // namespace emotion
