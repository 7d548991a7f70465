#include "emotion/model/emotion_net.h"

#include "emotion/error.h"
#include "emotion/model/image_classifier.h"

namespace emotion {

Head parse_head(std::string_view name) {
  if (name == "two_branch") return Head::kTwoBranch;
  if (name == "joint") return Head::kJoint;
  if (name == "three_branch") return Head::kThreeBranch;
  throw ConfigError("head '" + std::string(name) + "' is not known; two_branch, joint or three_branch");
}

EmotionNetImpl::EmotionNetImpl(const EmotionNetOptions& options) : options_(options) {
  backbone = register_module("backbone", make_backbone(options.backbone));
  const std::int64_t d = backbone->dimension();
  classifier =
      register_module("classifier", torch::nn::Linear(options.head == Head::kJoint ? options.embedding : d, options.classes));
  projection = register_module("projection", torch::nn::Linear(d, options.embedding));
  if (options.head == Head::kThreeBranch)
    extra_classifier = register_module("extra_classifier", torch::nn::Linear(d, options.extra_classes));
}

EmotionNetOutput EmotionNetImpl::forward(const at::Tensor& images) {
  EmotionNetOutput output;
  output.features = backbone->forward(images);
  output.projection = projection(output.features);
  output.logits = classifier(options_.head == Head::kJoint ? output.projection : output.features);
  if (extra_classifier) output.extra_logits = extra_classifier(output.features);
  return output;
}

ImageClassifierImpl::ImageClassifierImpl(const std::string& backbone_name, std::int64_t classes, std::int64_t channels) {
  backbone = register_module("backbone", make_backbone(backbone_name, channels));
  classifier = register_module("classifier", torch::nn::Linear(backbone->dimension(), classes));
}

at::Tensor ImageClassifierImpl::forward(const at::Tensor& images) { return classifier(backbone->forward(images)); }

}  // namespace emotion
