#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "emotion/io/weights.h"
#include "emotion/model/backbone.h"
#include "emotion/stimuli/boxes.h"
#include "emotion/stimuli/detector_input.h"

namespace emotion {

/// What a detector found in one picture, best first.
struct Detections {
  at::Tensor boxes;       ///< float [n, 4]: x1 y1 x2 y2, pixels of the picture as it was
  at::Tensor scores;      ///< float [n]
  at::Tensor labels;      ///< int64 [n]: positions in the list of classes, background not counted
  at::Tensor features;    ///< float [n, F]; undefined if they were not asked for
  at::Tensor attributes;  ///< int64 [n]: positions in the list of attributes; undefined for a network without
};

/// A network that finds regions; what `emotion_data regions` runs.
class RegionDetector : public torch::nn::Module {
 public:
  /// What each picture of a batch holds, in their order; the same, but for rounding, whatever pictures share the batch.
  /// @param input  as detector_input() makes it of transform(), on the network's device
  virtual std::vector<Detections> detect(const DetectorInput& input, bool with_features) = 0;
  virtual const DetectorTransform& transform() const = 0;
};

/// The defaults are those of torchvision's fasterrcnn_resnet50_fpn.
struct FasterRCNNOptions {
  std::string backbone = "resnet50";
  std::int64_t classes = 0;           ///< background not counted
  std::int64_t channels = 256;        ///< of the feature pyramid
  std::int64_t head = 1024;           ///< F: width of the box head, which is a region's feature
  double anchor_size = 32;            ///< pixels, of the finest level; doubled on each coarser one
  bool frozen_norms = true;           ///< the backbone's norms keep their statistics and weights
  double norm_eps = 1e-5;             ///< of those norms; torchvision's COCO weights of 2019 (258fb6c6) were made with 0
  std::int64_t trainable_layers = 5;  ///< of the backbone, counted from the last
  DetectorTransform transform;
  // Proposals: the best of each level before suppression, and of each picture after.
  std::int64_t train_proposals = 2000, proposals = 1000;
  double proposal_nms = 0.7;
  // Detections
  double score_threshold = 0.05, nms_threshold = 0.5;
  std::int64_t detections = 100;
};

/// What the region proposal network says of every anchor.
struct ProposalOutput {
  at::Tensor objectness;             ///< float [B, A] logits
  at::Tensor offsets;                ///< float [B, A, 4]
  at::Tensor anchors;                ///< float [A, 4], pixels of the batch
  std::vector<std::int64_t> counts;  ///< anchors of each level; their sum is A
};

/// What the box head says of each region.
struct BoxOutput {
  at::Tensor logits;   ///< float [n, K + 1], background first
  at::Tensor offsets;  ///< float [n, 4 (K + 1)]
};

/// Faster R-CNN (Ren et al., 2015) on a feature pyramid (Lin et al., 2017) over a ResNet, with torchvision's parameter names and
/// arithmetic: backbone.body.*, backbone.fpn.*, rpn.head.*, roi_heads.box_head.*, roi_heads.box_predictor.*.
///
/// Two differences. The stride of a level is always 4, 8, 16, 32; torchvision guesses it from the size of the first batch it
/// sees. And detect() runs pictures of different sizes apart, each as torchvision does with that picture alone; in torchvision a
/// larger one beside it changes what is found. Training pads a batch to its largest picture, as torchvision.
class FasterRCNNImpl : public RegionDetector {
 public:
  /// @throws ConfigError for a backbone that is no ResNet, or without classes
  explicit FasterRCNNImpl(const FasterRCNNOptions& options);
  const FasterRCNNOptions& options() const { return options_; }
  const DetectorTransform& transform() const override { return options_.transform; }

  /// Training mode leaves frozen norms in evaluation mode.
  void train(bool on = true) override;
  /// images [B, 3, H, W], sides multiples of 32 -> P2 .. P5 and P5 at every second pixel
  std::vector<at::Tensor> pyramid(const at::Tensor& images);
  ProposalOutput propose(const std::vector<at::Tensor>& levels, const at::Tensor& images);
  /// The boxes [n_i, 4] of each picture that go on to the box head, without gradient.
  std::vector<at::Tensor> choose_proposals(const ProposalOutput& output, const std::vector<ImageSize>& sizes) const;
  /// Features [sum n_i, F] of regions (pixels of the batch).
  at::Tensor box_features(const std::vector<at::Tensor>& levels, const std::vector<at::Tensor>& boxes);
  BoxOutput classify(const at::Tensor& features);
  std::vector<Detections> detect(const DetectorInput& input, bool with_features) override;

  static const BoxCoder& proposal_coder();
  static const BoxCoder& detection_coder();
  static const std::vector<double>& anchor_ratios();                      ///< height / width
  static constexpr double kLeastProposal = 1e-3, kLeastDetection = 1e-2;  ///< sides, pixels

  std::shared_ptr<Backbone> body;

 private:
  /// Pictures of one padded size.
  std::vector<Detections> detect_alike(const DetectorInput& input, bool with_features);
  Detections choose_detections(const at::Tensor& boxes, const at::Tensor& scores, const ImageSize& size) const;

  FasterRCNNOptions options_;
  std::vector<torch::nn::Conv2d> inner_, layer_;  // of the pyramid
  torch::nn::Conv2d rpn_conv_{nullptr}, rpn_logits_{nullptr}, rpn_offsets_{nullptr};
  torch::nn::Linear fc6_{nullptr}, fc7_{nullptr}, logits_{nullptr}, offsets_{nullptr};
};
TORCH_MODULE(FasterRCNN);

/// Names of torchvision before 0.13 (rpn.head.conv.weight, backbone.fpn.inner_blocks.0.weight) become today's.
StateDict with_current_names(StateDict state);

}  // namespace emotion
