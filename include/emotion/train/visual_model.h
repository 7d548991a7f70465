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

  const RunConfig& config() const { return config_; }
  const std::string& task() const { return task_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::filesystem::path& file() const { return file_; }
  /// What evaluation does to an image: the run's transform without chance.
  Transform transform() const { return make_transform(config_.data).deterministic(); }
  std::int64_t dimension() const { return backbone_->dimension(); }

  /// float [n, 3, h, w] -> features after global pooling, float [n, D]
  at::Tensor features(const at::Tensor& images) const { return backbone_->forward(images); }
  /// features -> logits, float [n, K]. @throws WeightsError for a plain backbone
  at::Tensor logits(const at::Tensor& features) const;
  /// Class activation maps (Zhou et al., 2016) of class k: the classifier's weights over the last feature map, float [n, h, w].
  /// @throws WeightsError where the network does not pool by a mean (VGG, AlexNet)
  at::Tensor activation_map(const at::Tensor& images, std::int64_t k) const;

 private:
  RunConfig config_;
  std::string task_;
  std::vector<std::string> classes_;
  std::filesystem::path file_;
  std::shared_ptr<torch::nn::Module> network_;  // keeps what the next two belong to
  std::shared_ptr<Backbone> backbone_;
  at::Tensor weight_, bias_;  // from features to logits: [K, D], [K]
};

}  // namespace emotion
