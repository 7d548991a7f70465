#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/formula_weights.h"
#include "../support/scratch.h"
#include "emotion/log.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/text/textcnn.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/trainer.h"

// Runs without shuffling or augmentation must follow PyTorch step for step: tests/reference/make_step_goldens.py.
namespace emotion {
namespace {

const std::string kFixtures = std::string(EMOTION_TEST_DATA) + "/fixtures";

nlohmann::json golden(const std::string& name) { return nlohmann::json::parse(read_file(kFixtures + "/steps.json")).at(name); }

TextCNN formula_textcnn() {
  TextCNN network(TextCNNOptions{.vocabulary = 10, .classes = 4});
  fill_by_formula(*network);
  return network;
}

class StepTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kWarning); }

  std::string write_init(const torch::nn::Module& network) {
    write_safetensors(folder_.path() / "init.safetensors", module_state(network));
    return (folder_.path() / "init.safetensors").string();
  }

  std::string write_teacher() {
    StateDict state = module_state(*formula_textcnn());
    state.metadata = ModelInfo{"textcnn", "{\"text\": {\"max_keywords\": 12}}", {"awe", "fear", "calm", "anger"}, {},
                               {"sky", "sea", "night", "fire", "tree", "lake", "ghost", "storm", "garden", "smoke"}}
                         .to_metadata();
    write_safetensors(folder_.path() / "teacher.safetensors", state);
    return (folder_.path() / "teacher.safetensors").string();
  }

  /// Trains five steps and compares losses and weights.
  void follow(const std::string& name, const std::string& task, const torch::nn::Module& network, const std::string& extra) {
    const std::string split = task == "classifier" ? "single" : "train";
    const std::string pixels = task == "textcnn" ? "" : ", augment: none, flip: false, resize: 0";
    const std::string yaml = fmt::format(
        "task: {}\noutput: {}\ndata: {{train: {{dataset: {}/tiny, split: {}}}, shuffle: false{}}}\n{}\nschedule: {{name: constant}}\n", task,
        (folder_.path() / "run").string(), kFixtures, split, pixels, extra);
    write_text(folder_.path() / "run.yaml", yaml);
    const RunConfig config =
        load_run_config(folder_.path() / "run.yaml", {"model.init=" + write_init(network), "train.max_steps=5", "train.log_every=1", "train.epochs=9",
                                                      "train.batch=8", "device=cpu"});
    train(config, false);
    const auto expected = golden(name);
    std::ifstream lines(folder_.path() / "run/metrics.jsonl");
    std::string line;
    for (std::size_t step = 0; step < 5; ++step) {
      ASSERT_TRUE(std::getline(lines, line));
      EXPECT_NEAR(nlohmann::json::parse(line).at("loss").get<double>(), expected["losses"][step].get<double>(), 2e-5) << "step " << step + 1;
    }
    const StateDict state = read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors");
    ASSERT_EQ(state.entries.size(), expected["state"].size());
    for (const auto& [tensor_name, tensor] : state.entries) compare(tensor_name, tensor, expected["state"].at(tensor_name));
  }

  static void compare(const std::string& name, const at::Tensor& tensor, const nlohmann::json& expected) {
    const at::Tensor flat = tensor.to(at::kDouble).flatten();
    const double* values = flat.const_data_ptr<double>();
    const auto& first = expected["first"];
    const auto& last = expected["last"];
    for (std::size_t i = 0; i < first.size(); ++i) {
      EXPECT_NEAR(values[i], first[i].get<double>(), 1e-5) << name << " " << i;
      EXPECT_NEAR(values[flat.numel() - static_cast<std::int64_t>(last.size() - i)], last[i].get<double>(), 1e-5) << name << " from the end " << i;
    }
    const double n = static_cast<double>(flat.numel());
    EXPECT_NEAR(flat.sum().item<double>() / n, expected["sum"].get<double>() / n, 1e-6) << name;
    EXPECT_NEAR(flat.norm().item<double>(), expected["norm"].get<double>(), 1e-5 * std::sqrt(n)) << name;
  }

  ScratchFolder folder_;
};

const std::string kSgd = "optimizer: {name: sgd, lr: 0.001, momentum: 0.9, weight_decay: 1.0e-4";

TEST_F(StepTest, ClassifierWithSgd) {
  ImageClassifier network("resnet18", 4);
  fill_by_formula(*network);
  follow("classifier_sgd", "classifier", *network, "model: {backbone: resnet18}\n" + kSgd + "}");
}

TEST_F(StepTest, ClassifierAccumulatesGradients) {
  ImageClassifier network("resnet18", 4);
  fill_by_formula(*network);
  follow("classifier_accumulate", "classifier", *network, "model: {backbone: resnet18}\ntrain: {accumulate: 2}\n" + kSgd + "}");
}

TEST_F(StepTest, ClassifierClipsGradients) {
  ImageClassifier network("resnet18", 4);
  fill_by_formula(*network);
  follow("classifier_clip", "classifier", *network, "model: {backbone: resnet18}\n" + kSgd + ", clip_norm: 0.5}");
}

TEST_F(StepTest, ClassifierWithAdamW) {
  ImageClassifier network("resnet18", 4);
  fill_by_formula(*network);
  follow("classifier_adamw", "classifier", *network, "model: {backbone: resnet18}\noptimizer: {name: adamw, lr: 1.0e-4, weight_decay: 0.01}");
}

TEST_F(StepTest, EmotionNetWithSoftLabelsAndEmbedding) {
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .classes = 4});
  fill_by_formula(*network);
  follow("emotionnet_sgd", "emotionnet", *network,
         fmt::format("model: {{backbone: resnet18}}\ntext: {{textcnn: {}, word2vec: {}/tiny/word2vec.txt, max_keywords: 12}}\n{}}}", write_teacher(), kFixtures, kSgd));
}

TEST_F(StepTest, EmotionNetWithHardLabels) {
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .classes = 4});
  fill_by_formula(*network);
  follow("emotionnet_hard", "emotionnet", *network, "model: {backbone: resnet18}\nloss: {soft_label: false, embedding_weight: 0}\n" + kSgd + "}");
}

class TextStepTest : public StepTest {
 protected:
  void follow_text(const std::string& name, const std::string& hard_target, const std::string& optimizer, const std::string& model = "") {
    follow(name, "textcnn", *formula_textcnn(),
           fmt::format("text: {{vocabulary: {}/tiny/vocabulary.txt, max_keywords: 12}}\nloss: {{hard_target: {}}}\nmodel: {{dropout: 0{}}}\noptimizer: {}", kFixtures,
                       hard_target, model, optimizer));
  }
};

TEST_F(TextStepTest, Adagrad) { follow_text("textcnn_adagrad", "indicator", "{name: adagrad, lr: 0.001, weight_decay: 0}"); }
TEST_F(TextStepTest, Adadelta) { follow_text("textcnn_adadelta", "mean", "{name: adadelta, lr: 0.1, weight_decay: 0}"); }
TEST_F(TextStepTest, Adam) { follow_text("textcnn_adam", "mean", "{name: adam, lr: 1.0e-3, weight_decay: 0}"); }
TEST_F(TextStepTest, AStaticEmbeddingIsNotTrained) {
  follow_text("textcnn_static", "mean", "{name: sgd, lr: 0.001, momentum: 0.9, weight_decay: 1.0e-4}", ", static_embedding: true");
}

}  // namespace
}  // namespace emotion
