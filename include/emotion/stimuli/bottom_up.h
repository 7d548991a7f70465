#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "emotion/io/weights.h"
#include "emotion/stimuli/faster_rcnn.h"

namespace emotion {

struct BottomUpOptions {
  std::array<int, 4> blocks{3, 4, 23, 3};  ///< ResNet-101
  std::int64_t classes = 1600, attributes = 400;
  std::int64_t hidden = 512;     ///< between a region and its attributes
  std::int64_t embedding = 256;  ///< of the class that attributes are asked for
  DetectorTransform transform{.min_size = 600,
                              .max_size = 1000,
                              .mean = {102.9801F, 115.9465F, 122.7717F},
                              .std = {1, 1, 1},
                              .caffe = true,
                              .divisible = 1};
  std::int64_t candidates = 6000, proposals = 300;  ///< before and after suppression
  double proposal_nms = 0.7, proposal_side = 16;    ///< least side of a proposal, pixels of the picture as it was
  // Regions: classes suppress each on its own, in pixels of the picture as it was; a region's score is the best that survives
  // (tools/generate_tsv.py of the original).
  double nms = 0.3, least_score = 0.2;
  std::int64_t least = 10, most = 100;
};

/// The detector of bottom-up attention (Anderson et al., CVPR 2018): Faster R-CNN on the fourth stage of a ResNet-101 as Caffe
/// computes it (stride in the first 1x1, ceil pooling, pixel boxes, RoI max pooling to 14x14, fifth stage on the regions with
/// dilation 2), with 1,600 objects and 400 attributes of Visual Genome. A region's feature is the mean of its fifth stage, its
/// box the proposal itself.
///
/// Parameters: backbone.{conv1, bn1, layer1 .. layer3}.*, rpn.{conv, objectness, offsets}.*, roi_heads.layer4.*,
/// roi_heads.cls_score.*, attributes.{embedding, hidden, score}.*; in the lists of classes and attributes "none" comes first.
class BottomUpImpl : public RegionDetector {
 public:
  explicit BottomUpImpl(const BottomUpOptions& options = {});
  const DetectorTransform& transform() const override { return options_.transform; }
  const BottomUpOptions& options() const { return options_; }
  std::vector<Detections> detect(const DetectorInput& input, bool with_features) override;

  static constexpr std::int64_t kStride = 16, kBins = 14;  ///< of the map, pixels; of a region's pooled map
  static constexpr double kPixel = 1;                      ///< boxes count pixels: x2 belongs to them
  static at::Tensor cell_anchors();                        ///< float [12, 4]

 private:
  at::Tensor map(const at::Tensor& images);
  at::Tensor propose(const at::Tensor& map, const ImageSize& size, double scale);
  /// [n, 2048], a few regions at a time: the fifth stage of 300 takes gigabytes.
  at::Tensor region_features(const at::Tensor& map, const at::Tensor& boxes);
  /// The regions among proposals [n, 4] (pixels of the network), in pixels of the picture as it was, which is `scale` times
  /// smaller; boxes may reach a little beyond it.
  Detections choose(const at::Tensor& boxes, const at::Tensor& features, double scale);

  BottomUpOptions options_;
  torch::nn::Conv2d conv1_{nullptr}, rpn_conv_{nullptr}, objectness_{nullptr}, offsets_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  torch::nn::Sequential layer1_{nullptr}, layer2_{nullptr}, layer3_{nullptr}, layer4_{nullptr};
  torch::nn::Linear cls_score_{nullptr}, hidden_{nullptr}, attribute_score_{nullptr};
  torch::nn::Embedding embedding_{nullptr};
};
TORCH_MODULE(BottomUp);

/// True for the names of one of the public conversions to detectron2: airsplay's or MILVLG's.
bool is_bottom_up(const StateDict& state);

/// The same weights under BottomUp's names: "none" moved to the front where a conversion has it last (airsplay), two objectness
/// numbers an anchor made one. What the network does not use (box regression, anchors) is left out.
/// @throws WeightsError naming what is missing
StateDict import_bottom_up(const StateDict& state, const std::string& where);

/// Sizes of a network from its weights (names as import_bottom_up() gives them). @throws WeightsError
BottomUpOptions bottom_up_options(const StateDict& state, const std::string& where);

}  // namespace emotion
