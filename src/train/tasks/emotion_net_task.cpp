#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/open_manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/emotion_net_loss.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/load_state.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/train/checkpoint.h"
#include "task_data.h"
#include "tasks.h"

namespace emotion {
namespace {

/// What the keywords of a split give: the TextCNN's input and the mean word vectors.
struct SplitText {
  std::optional<KeywordEncoder> encoder;
  std::optional<std::vector<std::uint64_t>> readable;  // samples with such an input; nothing = all of them
  std::optional<KeywordVectors> vectors;
};

class EmotionNetTask final : public Task {
 public:
  EmotionNetTask(const RunConfig& config, const Device& device)
      : config_(config), device_(device), data_(config, /*single=*/false) {
    if (config.loss.soft_label) open_textcnn();
    if (!config.text.word2vec.empty()) word_vectors_ = WordVectors::open(config.text.word2vec);
    add_text(Split::kTrain);
    if (data_.has_validation()) add_text(Split::kValidation);
    if (config.data.extra) {
      extra_classes_ = TargetClasses::make("labels", open_manifest(config.data.extra));
      extra_ = open_split(config.data.extra, extra_classes_, "labels", "data.extra");
    }
    network_ = EmotionNet(EmotionNetOptions{.backbone = config.model.backbone,
                                            .head = parse_head(config.model.head),
                                            .classes = static_cast<std::int64_t>(data_.classes().size()),
                                            .extra_classes = static_cast<std::int64_t>(extra_classes_.classes.size()),
                                            .embedding = word_vectors_ ? word_vectors_->dimension() : 300});
    if (!config.model.init.empty()) {
      const auto init = find_model_file(config.model.init);
      init_module_state(*network_, read_init(init, data_.classes(), extra_classes_.classes), init.string());
    }
    device_.place(*network_);
  }

  torch::nn::Module& network() override { return *network_; }
  const Manifest& manifest(Split split) const override { return data_[split].manifest; }
  bool has_validation() const override { return data_.has_validation(); }
  bool has_images() const override { return true; }
  const std::vector<std::uint64_t>* chosen(Split split) const override {
    const auto& readable = text(split).readable;
    return readable ? &*readable : nullptr;
  }
  const Manifest* extra_manifest() const override { return extra_ ? &extra_->manifest : nullptr; }
  std::vector<std::uint32_t> labels(std::uint64_t sample) const override { return data_[Split::kValidation].targets(sample); }

  /// Eq 4: L = L_soft + embedding_weight L_emb (+ extra_weight L_extra).
  TaskOutput forward(const Batch& batch, const Batch* extra, Split split) override {
    const EmotionNetOutput output = network_->forward(batch.images);
    TaskOutput result;
    result.logits = output.logits;
    const at::Tensor soft = soft_cross_entropy(output.logits, targets(batch.samples, split));
    result.parts.emplace_back("loss_class", soft);
    result.loss = soft;
    if (config_.loss.embedding_weight > 0) {
      const auto [text, has_text] = mean_vectors(batch.samples, split);
      const at::Tensor embedding = embedding_loss(output.projection, text, has_text);
      result.parts.emplace_back("loss_embedding", embedding);
      result.loss = result.loss + embedding * config_.loss.embedding_weight;
    }
    if (extra) {
      result.extra_loss = extra_loss(*extra);
      result.extra_weight = config_.loss.extra_weight;
    }
    return result;
  }

  ModelInfo info() const override {
    return {"emotionnet", print_run_config(config_), data_.classes(), extra_classes_.classes, {}};
  }

 private:
  void open_textcnn() {
    textcnn_ = load_textcnn(config_.text.textcnn);
    column_of_class_ = textcnn_->columns_of(data_.classes());
    if (column_of_class_.empty()) {
      throw WeightsError(fmt::format("{}: the TextCNN's classes ({}) are not those of the data ({})", config_.text.textcnn,
                                     fmt::join(textcnn_->classes, ", "), fmt::join(data_.classes(), ", ")));
    }
    choose_excluded();
    if (textcnn_->max_keywords != config_.text.max_keywords) {
      log_warning("text.max_keywords is {}, the TextCNN was trained with {}", config_.text.max_keywords, textcnn_->max_keywords);
    }
    for (auto& parameter : textcnn_->network->parameters()) parameter.requires_grad_(false);
    device_.place(*textcnn_->network);
  }

  /// A word that a class is read from would make the soft label repeat the hard one, whatever the TextCNN was trained on.
  void choose_excluded() {
    excluded_ = textcnn_->excluded;
    if (excluded_.empty()) {
      return data_.check_classes_beside_keywords(config_.text.textcnn + ": it reads the names of its classes",
                                                 "take a TextCNN of text.exclude_classes: true, or give such samples labels");
    }
    const auto words = data_.class_words();
    excluded_.insert(excluded_.end(), words.begin(), words.end());
  }

  void add_text(Split split) {
    const Manifest& manifest = data_[split].manifest;
    SplitText& text = texts_.emplace_back();
    if (textcnn_) {
      text.encoder.emplace(manifest, textcnn_->vocabulary, excluded_, config_.text.max_keywords);
      text.readable = readable_samples(*text.encoder, manifest, config_.data.on_error == "skip");
    }
    if (word_vectors_) {
      text.vectors.emplace(manifest, *word_vectors_);
      log_info("{}: {:.1f} % of its {} keywords have a vector", manifest.file().string(), 100 * text.vectors->coverage(),
               manifest.word_count());
    }
  }
  const SplitText& text(Split split) const { return texts_[split == Split::kTrain ? 0 : 1]; }

  /// Eq 1, or multi-hot / n for the ablation. float [n, K]
  at::Tensor targets(const std::vector<std::uint64_t>& samples, Split split) {
    const at::NoGradGuard no_grad;
    const bool mean = !config_.loss.soft_label || config_.loss.hard_target == "mean";
    const at::Tensor q = device_.move(data_.multi_hot(samples, split, mean));
    if (!config_.loss.soft_label) return q;
    // In full precision whatever the network computes in: train.amp changes no target.
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const at::Tensor logits = textcnn_->network->forward(device_.move(textcnn_input(*text(split).encoder, samples)));
    const at::Tensor p = at::softmax(logits.to(at::kFloat), 1).index_select(1, device_.move(at::tensor(column_of_class_)));
    return soft_targets(p, q, config_.loss.soft_threshold);
  }

  /// float [n, E] and bool [n]
  std::pair<at::Tensor, at::Tensor> mean_vectors(const std::vector<std::uint64_t>& samples, Split split) const {
    const KeywordVectors& vectors = *text(split).vectors;
    const auto n = static_cast<std::int64_t>(samples.size());
    at::Tensor means = at::empty({n, vectors.dimension()}), has_text = at::empty({n}, at::kBool);
    for (std::int64_t i = 0; i < n; ++i) {
      has_text.data_ptr<bool>()[i] =
          vectors.mean(samples[static_cast<std::size_t>(i)], means.data_ptr<float>() + i * vectors.dimension());
    }
    return {device_.move(means), device_.move(has_text)};
  }

  at::Tensor extra_loss(const Batch& extra) {
    std::vector<std::int64_t> ids;
    for (const std::uint64_t sample : extra.samples) ids.push_back(extra_->targets(sample)[0]);
    return cross_entropy(network_->forward(extra.images).extra_logits, device_.move(at::tensor(ids)), {}, 0);
  }

  RunConfig config_;
  Device device_;
  TaskData data_;
  std::optional<TrainedTextCNN> textcnn_;
  std::vector<std::int64_t> column_of_class_;
  std::vector<std::string> excluded_;  // keywords that the TextCNN is not shown
  std::optional<WordVectors> word_vectors_;
  std::vector<SplitText> texts_;
  TargetClasses extra_classes_;
  std::unique_ptr<LabelledSplit> extra_;
  EmotionNet network_{nullptr};
};

}  // namespace

std::unique_ptr<Task> make_emotion_net_task(const RunConfig& config, const Device& device) {
  return std::make_unique<EmotionNetTask>(config, device);
}

}  // namespace emotion
