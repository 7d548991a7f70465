#include <fmt/format.h>
#include <gtest/gtest.h>

#include "../support/formula_weights.h"
#include "../support/networks.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/text/textcnn.h"
#include "emotion/train/task.h"
#include "step_support.h"

// Runs without shuffling or augmentation must follow PyTorch step for step: tests/reference/make_step_goldens.py.
namespace emotion {
namespace {

TextCNN formula_textcnn() {
  TextCNN network(TextCNNOptions{.vocabulary = 10, .classes = 4});
  fill_by_formula(*network);
  return network;
}

class FormulaStepTest : public StepTest {
 protected:
  std::string write_teacher() {
    write_network(folder_.path() / "teacher.safetensors", *formula_textcnn(),
                  {.task = "textcnn",
                   .config = "{\"text\": {\"max_keywords\": 12}}",
                   .classes = {"awe", "fear", "calm", "anger"},
                   .vocabulary = {"sky", "sea", "night", "fire", "tree", "lake", "ghost", "storm", "garden", "smoke"}});
    return (folder_.path() / "teacher.safetensors").string();
  }
};

// The goldens are made in PyTorch's usual memory order; one run below follows them in channels_last, whose sums have another
// order. In the image networks a last bit that differs between processors grows from step to step: their weights look random and
// their learning rates are low, so that it stays far below 1e-5.
const std::string kSgd = "optimizer: {name: sgd, lr: 1.0e-4, momentum: 0.9, weight_decay: 1.0e-4";

TEST_F(FormulaStepTest, ClassifierWithSgd) {
  ImageClassifier network("resnet18", 4);
  fill_by_noise(*network);
  follow("steps.json", "classifier_sgd", "classifier", *network,
         "model: {backbone: resnet18}\ntrain: {channels_last: false}\n" + kSgd + "}");
}

TEST_F(FormulaStepTest, ClassifierAccumulatesGradients) {
  ImageClassifier network("resnet18", 4);
  fill_by_noise(*network);
  follow("steps.json", "classifier_accumulate", "classifier", *network,
         "model: {backbone: resnet18}\ntrain: {accumulate: 2, channels_last: false}\n" + kSgd + "}");
}

TEST_F(FormulaStepTest, ClassifierClipsGradients) {
  ImageClassifier network("resnet18", 4);
  fill_by_noise(*network);
  follow("steps.json", "classifier_clip", "classifier", *network, "model: {backbone: resnet18}\n" + kSgd + ", clip_norm: 0.5}");
}

TEST_F(FormulaStepTest, EmotionNetWithSoftLabelsAndEmbedding) {
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .classes = 4});
  fill_by_noise(*network);
  follow("steps.json", "emotionnet_sgd", "emotionnet", *network,
         fmt::format("model: {{backbone: resnet18}}\ntext: {{textcnn: {}, word2vec: {}/tiny/word2vec.txt, max_keywords: "
                     "12}}\ntrain: {{channels_last: false}}\n{}}}",
                     write_teacher(), kFixtures, kSgd));
}

TEST_F(FormulaStepTest, EmotionNetWithHardLabels) {
  EmotionNet network(EmotionNetOptions{.backbone = "resnet18", .classes = 4});
  fill_by_noise(*network);
  follow("steps.json", "emotionnet_hard", "emotionnet", *network,
         "model: {backbone: resnet18}\nloss: {soft_label: false, embedding_weight: 0}\ntrain: {channels_last: false}\n" + kSgd +
             "}");
}

// The network says the same in any precision: all of its weights are zero but the classifier's bias, whose values bfloat16 has.
TEST_F(FormulaStepTest, MixedPrecisionChangesNoSoftLabel) {
  write_text(folder_.path() / "run.yaml",
             fmt::format("task: emotionnet\noutput: {0}/run\ndata: {{train: {{dataset: {1}/tiny, split: train}}}}\n"
                         "model: {{backbone: resnet18}}\ntext: {{textcnn: {2}, max_keywords: 12}}\n"
                         "loss: {{embedding_weight: 0}}\n",
                         folder_.path().string(), kFixtures, write_teacher()));
  const RunConfig config = load_run_config(folder_.path() / "run.yaml", {});
  const auto loss = [&](const std::string& amp) {
    const Device device = Device::open("cpu", amp);
    const auto task = make_task(config, device);
    const at::NoGradGuard no_grad;
    for (const auto& parameter : task->network().named_parameters()) {
      parameter.value().zero_();
      if (parameter.key() == "classifier.bias") parameter.value().copy_(at::arange(4) * 4);
    }
    const Batch batch{.samples = {0, 1, 2, 3}, .images = at::zeros({4, 3, 64, 64})};
    const AutocastScope autocast(device);
    return task->forward(batch, nullptr, Split::kTrain).loss.item<float>();
  };
  EXPECT_EQ(loss("bf16"), loss("off"));
}

class TextStepTest : public FormulaStepTest {
 protected:
  void follow_text(const std::string& name, const std::string& hard_target, const std::string& optimizer,
                   const std::string& model = "") {
    follow("steps.json", name, "textcnn", *formula_textcnn(),
           fmt::format("text: {{vocabulary: {}/tiny/vocabulary.txt, max_keywords: 12}}\nloss: {{hard_target: {}}}\nmodel: "
                       "{{dropout: 0{}}}\noptimizer: {}",
                       kFixtures, hard_target, model, optimizer));
  }
};

TEST_F(TextStepTest, Adagrad) { follow_text("textcnn_adagrad", "indicator", "{name: adagrad, lr: 0.001, weight_decay: 0}"); }
TEST_F(TextStepTest, Adadelta) { follow_text("textcnn_adadelta", "mean", "{name: adadelta, lr: 0.1, weight_decay: 0}"); }
TEST_F(TextStepTest, Adam) { follow_text("textcnn_adam", "mean", "{name: adam, lr: 1.0e-3, weight_decay: 0}"); }
TEST_F(TextStepTest, AdamW) { follow_text("textcnn_adamw", "mean", "{name: adamw, lr: 1.0e-3, weight_decay: 0.5}"); }

TEST_F(TextStepTest, AdamWithDecayAndItsOtherNumbers) {
  follow_text("textcnn_adam_decay", "mean", "{name: adam, lr: 1.0e-3, betas: [0.8, 0.95], eps: 1.0e-4, weight_decay: 0.1}");
}

TEST_F(TextStepTest, AdagradWithDecays) {
  follow_text("textcnn_adagrad_decay", "mean", "{name: adagrad, lr: 1.0e-3, lr_decay: 0.1, weight_decay: 0.1}");
}

TEST_F(TextStepTest, NesterovMomentum) {
  follow_text("textcnn_nesterov", "mean", "{name: sgd, lr: 0.01, momentum: 0.8, nesterov: true, weight_decay: 0.1}");
}

TEST_F(TextStepTest, AStaticEmbeddingIsNotTrained) {
  follow_text("textcnn_static", "mean", "{name: sgd, lr: 0.001, momentum: 0.9, weight_decay: 1.0e-4}",
              ", static_embedding: true");
}

}  // namespace
}  // namespace emotion
