#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <torch/nn/modules/linear.h>

#include "emotion/model/backbone.h"
#include "emotion/model/semantic_net.h"

namespace emotion {

/// The stimuli of a batch; what a branch that is switched off would read stays undefined.
struct StimuliInput {
  at::Tensor images;      ///< float [B, 3, h, w], normalised
  RegionBatch regions;    ///< N regions an image
  at::Tensor faces;       ///< float [n, 3, h, w], normalised: one for each image that has a face
  at::Tensor face_rows;   ///< int64 [n]: the image each face belongs to
  std::int64_t size = 0;  ///< B, wanted where images and regions are not there to tell: not every image has a face
};

struct StimuliNetOptions {
  bool global = true, semantic = true, expression = true;
  std::string backbone = "resnet50", expression_backbone = "resnet18";
  SemanticNetOptions semantic_net;
  std::int64_t face_channels = 3;  ///< 1: a stem for grey faces
  std::int64_t classes = 0;        ///< C
  bool classifier_bias = true;     ///< Eq 13 has none
  bool luminance = false;          ///< Table II, "Y": the Global-Net sees the Y of YCbCr in place of the colours
};

struct StimuliNetOutput {
  at::Tensor features;   ///< v_emo of Eq 12 float [B, D]: the branches that are on, in the order global, semantic, expression
  at::Tensor logits;     ///< float [B, C]
  at::Tensor attention;  ///< as SemanticNetOutput::attention; undefined without the branch
};

/// Stimuli-aware VEA (TIP 2021), Fig 3:
///
///     v_g = global(image)                                 [d1]       Eq 1, 2: of a ResNet after global average pooling
///     v_s = semantic(regions), 0 without a region         [d2]       Eq 3-10
///     v_e = expression(face), 0 without a face            [d3]       Eq 11
///     v_emo = [v_g, v_s, v_e]                             features   Eq 12: of the branches that are on
///     l = W v_emo + b                                     logits     Eq 13: p_emo = softmax(l), in the paper without b
///
/// d1, d3 are the widths of the backbones (2048 and 512), d2 = 512. Parameters: global.*, semantic.*, expression.*,
/// classifier.{weight [C, d1 + d2 + d3], bias}.
///
/// An image without a face has v_e = 0, and the expression branch (its batch statistics too) sees only the images that have one.
/// In a batch without any face it is left out, its parameters without gradient; where processes share batch statistics, in a step
/// in which none of them has a face.
class StimuliNetImpl : public torch::nn::Module {
 public:
  /// @throws ConfigError without a branch
  explicit StimuliNetImpl(const StimuliNetOptions& options);
  /// Sizes, types and device as StimuliInput has them. @throws c10::Error for others
  StimuliNetOutput forward(const StimuliInput& input);

  const StimuliNetOptions& options() const { return options_; }
  std::int64_t dimension() const { return classifier->options.in_features(); }
  /// Class activation map of class k over the images: the classifier's weights of v_g over the Global-Net's last feature map,
  /// float [B, h, w].
  at::Tensor activation_map(const at::Tensor& images, std::int64_t k);

  std::shared_ptr<Backbone> global, expression;  ///< null where switched off
  SemanticNet semantic{nullptr};
  torch::nn::Linear classifier{nullptr};

 private:
  /// What the expression branch sees of a batch; undefined where it is left out. Batch statistics that are shared are taken
  /// together: once one process has a face, those without one see an empty batch. Every process calls it in every training step.
  at::Tensor faces_of(const StimuliInput& input);

  StimuliNetOptions options_;
};
TORCH_MODULE(StimuliNet);

/// Y of YCbCr (ITU-R BT.601, as JPEG) in all three channels: images as Device::images() makes them -> the same form.
at::Tensor to_luminance(const at::Tensor& images);

}  // namespace emotion
