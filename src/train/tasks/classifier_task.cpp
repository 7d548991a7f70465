#include <ATen/ops/tensor.h>

#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/emotion_net_loss.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"
#include "task_data.h"
#include "tasks.h"

namespace emotion {
namespace {

class ClassifierTask final : public Task {
 public:
  ClassifierTask(const RunConfig& config, const Device& device)
      : config_(config),
        device_(device),
        data_(config, /*single=*/true),
        network_(config.model.backbone, static_cast<std::int64_t>(data_.classes().size()), config.model.channels) {
    if (config.data.picture == "face") {
      choose_faces(Split::kTrain, train_faces_);
      if (data_.has_validation()) choose_faces(Split::kValidation, validation_faces_);
    }
    if (!config.model.init.empty()) {
      const auto init = find_model_file(config.model.init);
      init_module_state(*network_, read_init(init, data_.classes()), init.string());
    }
    device_.place(*network_);
    if (config.loss.class_weights == "balanced") {
      weight_of_class_ = balanced_weights();
      class_weights_ = device_.move(at::tensor(weight_of_class_, at::kFloat));
    }
  }

  torch::nn::Module& network() override { return *network_; }
  const Manifest& manifest(Split split) const override { return data_[split].manifest; }
  bool has_validation() const override { return data_.has_validation(); }
  bool has_images() const override { return true; }
  Picture picture() const override { return config_.data.picture == "face" ? Picture::kFace : Picture::kImage; }
  const std::vector<std::uint64_t>* chosen(Split split) const override {
    return picture() == Picture::kImage ? nullptr : split == Split::kTrain ? &train_faces_ : &validation_faces_;
  }
  std::vector<std::uint32_t> labels(std::uint64_t sample) const override { return data_[Split::kValidation].targets(sample); }

  std::optional<double> weight(const std::vector<std::uint64_t>& samples, Split split) const override {
    if (weight_of_class_.empty()) return std::nullopt;
    double sum = 0;
    for (const std::uint64_t sample : samples) sum += weight_of_class_[data_[split].targets(sample)[0]];
    return sum;
  }

  TaskOutput forward(const Batch& batch, const Batch*, Split split) override {
    std::vector<std::int64_t> ids;
    for (const std::uint64_t sample : batch.samples) ids.push_back(data_[split].targets(sample)[0]);
    TaskOutput output;
    output.logits = network_->forward(batch.images);
    output.weight = weight(batch.samples, split);
    if (output.weight && *output.weight == 0) {  // only classes without a training sample: a mean over nothing
      output.loss = output.logits.sum() * 0;
      return output;
    }
    output.loss = cross_entropy(output.logits, device_.move(at::tensor(ids)), class_weights_, config_.loss.label_smoothing);
    return output;
  }

  ModelInfo info() const override { return {config_.task, print_run_config(config_), data_.classes(), {}, {}}; }

 private:
  void choose_faces(Split split, std::vector<std::uint64_t>& samples) const {
    const Manifest& manifest = data_[split].manifest;
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      if (!manifest[i].face.empty()) samples.push_back(i);
    }
    if (samples.empty()) throw DataError(manifest.file().string() + ": no sample has a face; emotion_data faces finds them");
    log_info("{}: {} of {} samples have a face", manifest.file().string(), samples.size(), manifest.size());
  }

  /// n / (K n_k) of the training samples, as scikit-learn's "balanced"; 0 for a class without a sample.
  std::vector<double> balanced_weights() const {
    std::vector<double> counts(data_.classes().size());
    const LabelledSplit& train = data_[Split::kTrain];
    const auto* faces = chosen(Split::kTrain);
    // Of what is trained on: data.picture and data.fraction leave samples out.
    const Sampler sampler{.size = faces ? faces->size() : train.manifest.size(),
                          .fraction = config_.data.fraction,
                          .shuffle = false,
                          .seed = config_.seed};
    for (const std::uint64_t i : sampler.order(0)) ++counts[train.targets(faces ? (*faces)[i] : i)[0]];
    for (std::size_t k = 0; k < counts.size(); ++k) {
      if (counts[k] > 0) {
        counts[k] = static_cast<double>(sampler.epoch_size()) / (static_cast<double>(counts.size()) * counts[k]);
      } else {
        log_warning("{}: class {} has no training sample; samples of it do not count in the validation loss",
                    train.manifest.file().string(), data_.classes()[k]);
      }
    }
    return counts;
  }

  RunConfig config_;
  Device device_;
  TaskData data_;
  ImageClassifier network_;
  std::vector<double> weight_of_class_;  // empty = every sample counts alike
  at::Tensor class_weights_;
  std::vector<std::uint64_t> train_faces_, validation_faces_;  // data.picture: face
};

}  // namespace

std::unique_ptr<Task> make_classifier_task(const RunConfig& config, const Device& device) {
  return std::make_unique<ClassifierTask>(config, device);
}

}  // namespace emotion
