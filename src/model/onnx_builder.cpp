#include "emotion/model/onnx_builder.h"

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "emotion/error.h"

namespace emotion {
namespace {

using Attribute = OnnxGraph::Attribute;

}  // namespace

const at::Tensor& OnnxBuilder::tensor(const std::string& name) const {
  const at::Tensor* found = state_.find(name);
  if (found == nullptr) throw WeightsError("ONNX: the network has no tensor " + name);
  return *found;
}

OnnxBuilder::Value OnnxBuilder::weight(const std::string& name) { return graph.constant(name, tensor(name)); }

OnnxBuilder::Value OnnxBuilder::number(double value) {
  return graph.constant(fmt::format("number_{}", value), at::tensor({static_cast<float>(value)}));
}

OnnxBuilder::Value OnnxBuilder::convolution(const Value& x, const std::string& name, std::int64_t stride, std::int64_t padding,
                                            std::int64_t dilation) {
  std::vector<Value> inputs{x, weight(name + ".weight")};
  if (has(name + ".bias")) inputs.push_back(weight(name + ".bias"));
  const std::int64_t kernel = tensor(name + ".weight").size(2);
  std::vector<Attribute> attributes{Attribute::list("kernel_shape", {kernel, kernel}),
                                    Attribute::list("strides", {stride, stride}),
                                    Attribute::list("pads", {padding, padding, padding, padding})};
  if (dilation != 1) attributes.push_back(Attribute::list("dilations", {dilation, dilation}));
  return graph.node("Conv", inputs, attributes);
}

OnnxBuilder::Value OnnxBuilder::norm(const Value& x, const std::string& name) {
  return graph.node(
      "BatchNormalization",
      {x, weight(name + ".weight"), weight(name + ".bias"), weight(name + ".running_mean"), weight(name + ".running_var")},
      {Attribute::number("epsilon", norm_epsilon)});
}

OnnxBuilder::Value OnnxBuilder::max_pool(const Value& x, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                                         bool ceil) {
  std::vector<Attribute> attributes{Attribute::list("kernel_shape", {kernel, kernel}),
                                    Attribute::list("strides", {stride, stride}),
                                    Attribute::list("pads", {padding, padding, padding, padding})};
  if (ceil) attributes.push_back(Attribute::integer("ceil_mode", 1));
  return graph.node("MaxPool", {x}, attributes);
}

OnnxBuilder::Value OnnxBuilder::linear(const Value& x, const std::string& name) {
  std::vector<Value> inputs{x, weight(name + ".weight")};
  if (has(name + ".bias")) inputs.push_back(weight(name + ".bias"));
  return graph.node("Gemm", inputs, {Attribute::integer("transB", 1)});
}

OnnxBuilder::Value OnnxBuilder::project(const Value& x, const std::string& name) {
  return graph.node("MatMul", {x, graph.constant(name + ".transposed", tensor(name).t())});
}

OnnxBuilder::Value OnnxBuilder::residual_block(const Value& x, const std::string& name, std::int64_t stride, bool caffe,
                                               std::int64_t dilation) {
  const bool bottleneck = has(name + "conv3.weight");
  const std::int64_t first = bottleneck && !caffe ? 1 : stride, second = bottleneck && !caffe ? stride : 1;
  Value y = relu(norm(convolution(x, name + "conv1", first, bottleneck ? 0 : 1), name + "bn1"));
  y = norm(convolution(y, name + "conv2", second, dilation, dilation), name + "bn2");
  if (bottleneck) y = norm(convolution(relu(y), name + "conv3", 1, 0), name + "bn3");
  const Value shortcut =
      has(name + "downsample.0.weight") ? norm(convolution(x, name + "downsample.0", stride, 0), name + "downsample.1") : x;
  return relu(graph.node("Add", {y, shortcut}));
}

OnnxBuilder::Value OnnxBuilder::residual_layer(Value x, const std::string& name, std::int64_t stride, bool caffe,
                                               std::int64_t dilation) {
  for (int block = 0; has(fmt::format("{}.{}.conv1.weight", name, block)); ++block)
    x = residual_block(x, fmt::format("{}.{}.", name, block), block == 0 ? stride : 1, caffe, dilation);
  return x;
}

std::vector<OnnxBuilder::Value> OnnxBuilder::resnet_stages(const Value& images, const std::string& name) {
  Value x = images;
  if (tensor(name + "conv1.weight").size(1) == 1)
    x = graph.node("ReduceMean", {x}, {Attribute::list("axes", {1}), Attribute::integer("keepdims", 1)});
  x = max_pool(relu(norm(convolution(x, name + "conv1", 2, 3), name + "bn1")), 3, 2, 1);
  std::vector<Value> maps;
  for (int layer = 1; layer <= 4; ++layer)
    maps.push_back(x = residual_layer(x, fmt::format("{}layer{}", name, layer), layer > 1 ? 2 : 1));
  return maps;
}

}  // namespace emotion
