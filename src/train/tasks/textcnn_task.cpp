#include <utility>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/emotion_net_loss.h"
#include "emotion/model/load_state.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/train/checkpoint.h"
#include "task_data.h"
#include "tasks.h"

namespace emotion {
namespace {

/// The keywords that the TextCNN is not shown.
std::vector<std::string> excluded_words(const RunConfig& config, const TaskData& data) {
  if (config.text.exclude_classes) return data.class_words();
  data.check_classes_beside_keywords("text.exclude_classes is false", "set it to true, or give such samples labels");
  return {};
}

/// The words of the weights that training starts from; none where there are no such weights or they do not say.
std::vector<std::string> words_of_init(const std::string& init) {
  if (init.empty()) return {};
  return ModelInfo::from_metadata(read_weights(find_model_file(init)).metadata, init).vocabulary;
}

Vocabulary choose_vocabulary(const RunConfig& config, const TaskData& data, const std::vector<std::string>& excluded) {
  std::vector<std::string> of_init = words_of_init(config.model.init);
  if (config.text.vocabulary.empty())
    return of_init.empty() ? collect_vocabulary(data[Split::kTrain].manifest, excluded) : Vocabulary(std::move(of_init));
  Vocabulary vocabulary = Vocabulary::read(config.text.vocabulary);
  if (!of_init.empty() && vocabulary.words() != of_init) {
    throw ConfigError(
        fmt::format("text.vocabulary: {} has other words than {}, or in another order: they would have each other's "
                    "vectors; leave it out",
                    config.text.vocabulary, config.model.init));
  }
  return vocabulary;
}

class TextCNNTask final : public Task {
 public:
  TextCNNTask(const RunConfig& config, const Device& device)
      : config_(config),
        device_(device),
        data_(config, /*single=*/false),
        excluded_(excluded_words(config, data_)),
        vocabulary_(choose_vocabulary(config, data_, excluded_)) {
    add_encoder(Split::kTrain);
    if (data_.has_validation()) add_encoder(Split::kValidation);
    make_network();
    device_.place(*network_);
  }

  torch::nn::Module& network() override { return *network_; }
  const Manifest& manifest(Split split) const override { return data_[split].manifest; }
  bool has_validation() const override { return data_.has_validation(); }
  bool has_images() const override { return false; }
  const std::vector<std::uint64_t>* chosen(Split split) const override {
    const auto& readable = readable_[index(split)];
    return readable ? &*readable : nullptr;
  }
  std::vector<std::uint32_t> labels(std::uint64_t sample) const override { return data_[Split::kValidation].targets(sample); }

  TaskOutput forward(const Batch& batch, const Batch*, Split split) override {
    const at::Tensor targets = device_.move(data_.multi_hot(batch.samples, split, config_.loss.hard_target == "mean"));
    TaskOutput output;
    output.logits = network_->forward(device_.move(textcnn_input(encoders_[index(split)], batch.samples)));
    output.loss = soft_cross_entropy(output.logits, targets);
    return output;
  }

  ModelInfo info() const override {
    ModelInfo info{"textcnn", print_run_config(config_), data_.classes(), {}, vocabulary_.words()};
    info.class_words = excluded_;
    return info;
  }

 private:
  void add_encoder(Split split) {
    const Manifest& manifest = data_[split].manifest;
    encoders_.emplace_back(manifest, vocabulary_, excluded_, config_.text.max_keywords);
    readable_.push_back(readable_samples(encoders_.back(), manifest, config_.data.on_error == "skip"));
  }
  static std::size_t index(Split split) { return split == Split::kTrain ? 0 : 1; }

  void make_network() {
    TextCNNOptions options{.vocabulary = static_cast<std::int64_t>(vocabulary_.size()),
                           .classes = static_cast<std::int64_t>(data_.classes().size()),
                           .dropout = config_.model.dropout,
                           .word_dropout = config_.model.word_dropout,
                           .static_embedding = config_.model.static_embedding};
    std::optional<StateDict> init;
    std::optional<WordVectors> vectors;
    if (!config_.model.init.empty()) {
      if (!config_.text.word2vec.empty()) log_warning("text.word2vec is not read: model.init has the vectors of its words");
      init = read_init(find_model_file(config_.model.init), data_.classes());
      options.dimension = textcnn_dimension(*init, config_.model.init);
    } else if (!config_.text.word2vec.empty()) {
      vectors = WordVectors::open(config_.text.word2vec);
      options.dimension = vectors->dimension();
    }
    network_ = TextCNN(options);
    if (init) init_module_state(*network_, *init, config_.model.init);
    if (vectors) fill_embedding(*vectors);
  }

  /// Rows of known words become their vectors; the others keep small random values.
  void fill_embedding(const WordVectors& vectors) {
    const at::NoGradGuard no_grad;
    at::Tensor weight = network_->embedding->weight;
    weight.mul_(0.1);
    const auto width = static_cast<std::size_t>(vectors.dimension());
    std::size_t found = 0;
    for (std::size_t row = 0; row < vocabulary_.size(); ++row) {
      const auto place = vectors.find(vocabulary_.words()[row]);
      if (!place) continue;
      vectors.copy(*place, std::span(weight.data_ptr<float>() + row * width, width));
      ++found;
    }
    log_info("textcnn: {} of {} words have a vector", found, vocabulary_.size());
  }

  RunConfig config_;
  Device device_;
  TaskData data_;
  std::vector<std::string> excluded_;
  Vocabulary vocabulary_;
  // Of the training and the validation split.
  std::vector<KeywordEncoder> encoders_;
  std::vector<std::optional<std::vector<std::uint64_t>>> readable_;
  TextCNN network_{nullptr};
};

}  // namespace

std::unique_ptr<Task> make_textcnn_task(const RunConfig& config, const Device& device) {
  return std::make_unique<TextCNNTask>(config, device);
}

}  // namespace emotion
