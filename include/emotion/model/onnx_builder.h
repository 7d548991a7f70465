#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/io/weights.h"
#include "emotion/model/onnx_graph.h"

namespace emotion {

/// An ONNX graph and the weights that it is built from: layers by the names of their tensors, as the forward() of the networks
/// calls them. `x` are values of the graph, [batch, channels, height, width] where not said otherwise.
class OnnxBuilder {
 public:
  using Value = OnnxGraph::Value;

  /// `state` must outlive the builder.
  explicit OnnxBuilder(const StateDict& state) : state_(state) {}

  OnnxGraph graph;
  double norm_epsilon = 1e-5;  ///< of batch norms; torch::nn::BatchNorm's unless set

  /// @throws WeightsError for a tensor that is missing
  const at::Tensor& tensor(const std::string& name) const;
  bool has(const std::string& name) const { return state_.find(name) != nullptr; }
  /// The tensor as a constant.
  Value weight(const std::string& name);
  /// A float constant [1].
  Value number(double value);

  /// With a bias where there is one; dilation alike in both directions.
  Value convolution(const Value& x, const std::string& name, std::int64_t stride, std::int64_t padding,
                    std::int64_t dilation = 1);
  /// Batch norm by its statistics.
  Value norm(const Value& x, const std::string& name);
  Value relu(const Value& x) { return graph.node("Relu", {x}); }
  Value max_pool(const Value& x, std::int64_t kernel, std::int64_t stride, std::int64_t padding, bool ceil = false);
  /// x [rows, in] -> [rows, out]
  Value linear(const Value& x, const std::string& name);
  /// x [.., in] -> [.., out], without bias: a Gemm takes matrices only
  Value project(const Value& x, const std::string& name);
  /// Every block NAME.0, NAME.1, .. that there is; the first one has the stride. `caffe`: the stride stands in the first
  /// convolution of a bottleneck, else in its 3x3; dilation of the 3x3 convolutions.
  Value residual_layer(Value x, const std::string& name, std::int64_t stride, bool caffe = false, std::int64_t dilation = 1);
  /// Outputs of layer1 .. layer4 of a ResNet. A stem for grey pictures reads the mean of the channels.
  std::vector<Value> resnet_stages(const Value& images, const std::string& name);

 private:
  Value residual_block(const Value& x, const std::string& name, std::int64_t stride, bool caffe, std::int64_t dilation);

  const StateDict& state_;
};

}  // namespace emotion
