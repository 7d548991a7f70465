#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/transform.h"
#include "emotion/model/backbone.h"
#include "emotion/train/device.h"

namespace emotion {

/// A trained image network, whatever task it comes from: images -> features, logits.
class VisualModel {
 public:
  /// checkpoint: a run folder, a checkpoint's folder or a weights file. A plain backbone (torchvision's names, .pth or
  /// .safetensors) works too, with the setting model.backbone=NAME; it has no classes. `settings` override the stored config.
  /// @throws WeightsError, ConfigError
  static VisualModel open(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                          const Device& device);
  /// The backbone of `config` with the values training starts from, drawn by its seed: what features are without any training.
  static VisualModel untrained(const RunConfig& config, const Device& device);

  const RunConfig& config() const { return config_; }
  const std::string& task() const { return task_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::filesystem::path& file() const { return file_; }  ///< `random` for an untrained one
  /// What evaluation does to an image: the run's transform without chance.
  Transform transform() const { return make_transform(config_.data).deterministic(); }
  std::int64_t dimension() const { return backbone_->dimension(); }

  /// float [n, 3, h, w] -> features after global pooling, float [n, D]
  at::Tensor features(const at::Tensor& images) const { return backbone_->forward(images); }
  /// features -> logits, float [n, K]. @throws WeightsError for a plain backbone
  at::Tensor logits(const at::Tensor& features) const;
  /// features -> points in the space of word vectors (EmotionNet, W of Eq 3), float [n, E].
  /// @throws WeightsError for a network without a projection
  at::Tensor projection(const at::Tensor& features) const;
  bool has_projection() const { return projection_weight_.defined(); }
  /// E; 0 without a projection
  std::int64_t embedding_dimension() const { return has_projection() ? projection_weight_.size(0) : 0; }
  /// Class activation maps (Zhou et al., 2016) of class k: the classifier's weights over the last feature map, float [n, h, w].
  /// @throws WeightsError where the network does not pool by a mean (VGG, AlexNet)
  at::Tensor activation_map(const at::Tensor& images, std::int64_t k) const;
  bool has_activation_maps() const { return config_.model.backbone.starts_with("resnet"); }

 private:
  RunConfig config_;
  std::string task_;
  std::vector<std::string> classes_;
  std::filesystem::path file_;
  std::shared_ptr<torch::nn::Module> network_;  // keeps what the next two belong to
  std::shared_ptr<Backbone> backbone_;
  at::Tensor weight_, bias_;                        // from features to logits: [K, D], [K]
  at::Tensor projection_weight_, projection_bias_;  // [E, D], [E]
};

}  // namespace emotion
