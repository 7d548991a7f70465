#include "emotion/train/visual_model.h"

#include <ATen/Context.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensordot.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace {

/// Of a matrix in the file; `otherwise` if it is not there, which loading tells. The extra classes' names need not be known:
/// nothing but training reads that branch.
std::int64_t rows_of(const StateDict& state, const char* name, std::int64_t otherwise, const std::string& where) {
  return state.find(name) ? size_weight(state, name, {-1, -1}, where).size(0) : otherwise;
}

}  // namespace

VisualModel VisualModel::open(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                              const Device& device) {
  VisualModel model;
  model.file_ = find_model_file(checkpoint);
  const std::string where = model.file_.string();
  const StateDict state = read_weights(model.file_);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, where);
  model.config_ = info.run_config(where, settings);
  model.task_ = info.task;
  model.classes_ = info.classes;
  const at::NoGradGuard no_grad;
  if (info.task == "emotionnet") {
    EmotionNet network(EmotionNetOptions{.backbone = model.config_.model.backbone,
                                         .head = parse_head(model.config_.model.head),
                                         .classes = static_cast<std::int64_t>(info.classes.size()),
                                         .extra_classes = rows_of(state, "extra_classifier.weight", 0, where),
                                         .embedding = rows_of(state, "projection.weight", 300, where)});
    load_module_state(*network, state, where);
    device.place(*network);
    model.backbone_ = network->backbone;
    model.weight_ = network->classifier->weight;
    model.bias_ = network->classifier->bias;
    model.projection_weight_ = network->projection->weight;
    model.projection_bias_ = network->projection->bias;
    if (parse_head(model.config_.model.head) == Head::kJoint) {  // two linear layers with nothing between are one
      model.bias_ = at::linear(network->projection->bias, model.weight_, model.bias_);
      model.weight_ = model.weight_.matmul(network->projection->weight);
    }
    model.network_ = network.ptr();
  } else if (info.task == "classifier" || info.task == "expression") {
    ImageClassifier network(model.config_.model.backbone, static_cast<std::int64_t>(info.classes.size()),
                            model.config_.model.channels);
    load_module_state(*network, state, where);
    device.place(*network);
    model.backbone_ = network->backbone;
    model.weight_ = network->classifier->weight;
    model.bias_ = network->classifier->bias;
    model.network_ = network.ptr();
  } else if (info.task.empty()) {
    ImageClassifier network(model.config_.model.backbone, 1);
    init_module_state(*network, state, where + " (as " + model.config_.model.backbone + ")");
    device.place(*network);
    model.backbone_ = network->backbone;
    model.network_ = network.ptr();
  } else {
    throw WeightsError(fmt::format("{}: task {} has no image network{}", where, info.task,
                                   info.task == "detector" ? "; emotion_data regions finds regions with it" : ""));
  }
  model.network_->eval();
  return model;
}

VisualModel VisualModel::untrained(const RunConfig& config, const Device& device) {
  VisualModel model;
  model.file_ = "random";
  model.config_ = config;
  at::manual_seed(config.seed);
  ImageClassifier network(config.model.backbone, 1);
  device.place(*network);
  model.backbone_ = network->backbone;
  model.network_ = network.ptr();
  model.network_->eval();
  return model;
}

at::Tensor VisualModel::projection(const at::Tensor& features) const {
  if (!has_projection()) {
    throw WeightsError(file_.string() + ": it has no projection to word vectors; a network of task emotionnet is wanted");
  }
  return at::linear(features, projection_weight_, projection_bias_);
}

at::Tensor VisualModel::logits(const at::Tensor& features) const {
  if (!weight_.defined())
    throw WeightsError(file_.string() +
                       ": a plain backbone has no classes; train a classifier or use emotion_probe; if its file "
                       "holds classifier.*, emotion_convert IN OUT.safetensors --config C --classes FILE stores their names");
  return at::linear(features, weight_, bias_);
}

at::Tensor VisualModel::activation_map(const at::Tensor& images, std::int64_t k) const {
  const at::Tensor map = backbone_->feature_map(images);
  if (!weight_.defined() || map.size(1) != weight_.size(1)) {
    throw WeightsError(file_.string() + ": class activation maps need a classifier right behind global average pooling");
  }
  return at::tensordot(map, weight_[k], {1}, {0});
}

}  // namespace emotion
