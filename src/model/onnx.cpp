// The networks as ONNX graphs. Each function follows the forward() of its network; weights keep their names.
#include "emotion/model/onnx.h"

#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/model/onnx_builder.h"

namespace emotion {
namespace {

using Value = OnnxGraph::Value;
using Attribute = OnnxGraph::Attribute;

Value resnet(OnnxBuilder& b, const Value& x, const std::string& name) {
  const Value map = b.resnet_stages(x, name).back();
  return b.graph.node("Flatten", {b.graph.node("GlobalAveragePool", {map})}, {Attribute::integer("axis", 1)});
}

/// VGG-16 and AlexNet, told apart by the first convolution; layers are numbered as torchvision's.
Value classic(OnnxBuilder& b, Value x, const std::string& name) {
  const bool alexnet = b.tensor(name + "features.0.weight").size(2) == 11;
  const auto conv = [&](int layer, std::int64_t stride, std::int64_t padding) {
    x = b.relu(b.convolution(x, fmt::format("{}features.{}", name, layer), stride, padding));
  };
  if (alexnet) {
    conv(0, 4, 2);
    x = b.max_pool(x, 3, 2, 0);
    conv(3, 1, 2);
    x = b.max_pool(x, 3, 2, 0);
    for (const int layer : {6, 8, 10}) conv(layer, 1, 1);
    x = b.max_pool(x, 3, 2, 0);
  } else {
    for (int layer = 0; layer < 31; ++layer) {
      if (b.has(fmt::format("{}features.{}.weight", name, layer))) {
        conv(layer++, 1, 1);  // its ReLU is the next layer
      } else {
        x = b.max_pool(x, 2, 2, 0);
      }
    }
  }
  x = b.graph.node("Flatten", {x}, {Attribute::integer("axis", 1)});
  for (const int layer : {alexnet ? 1 : 0, alexnet ? 4 : 3}) x = b.relu(b.linear(x, fmt::format("{}classifier.{}", name, layer)));
  return x;
}

Value image_input(OnnxBuilder& b, const std::string& backbone) {
  if (b.has(backbone + "features.0.weight")) return b.graph.input("images", at::kFloat, {"batch", 3, 224, 224});
  return b.graph.input("images", at::kFloat, {"batch", 3, "height", "width"});
}

Value backbone(OnnxBuilder& b, const Value& images, const std::string& name) {
  return b.has(name + "features.0.weight") ? classic(b, images, name) : resnet(b, images, name);
}

std::int64_t rows(const OnnxBuilder& b, const std::string& name) { return b.tensor(name + ".weight").size(0); }

void finish(OnnxBuilder& b, const std::filesystem::path& file, const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) b.graph.metadata(key, value);
  b.graph.write(file);
}

/// torch::nn::LSTMCell: gates in the order i, f, g, o.
std::pair<Value, Value> lstm_cell(OnnxBuilder& b, const Value& x, const Value& h, const Value& c, const std::string& name) {
  const auto gemm = [&](const Value& value, const std::string& part) {
    return b.graph.node("Gemm", {value, b.weight(name + ".weight_" + part), b.weight(name + ".bias_" + part)},
                        {Attribute::integer("transB", 1)});
  };
  const Value gates = b.graph.node("Add", {gemm(x, "ih"), gemm(h, "hh")});
  const auto parts = b.graph.nodes("Split", {gates}, {Attribute::integer("axis", 1)}, 4);
  const Value in = b.graph.node("Sigmoid", {parts[0]}), forget = b.graph.node("Sigmoid", {parts[1]}),
              candidate = b.graph.node("Tanh", {parts[2]}), out = b.graph.node("Sigmoid", {parts[3]});
  const Value cell = b.graph.node("Add", {b.graph.node("Mul", {forget, c}), b.graph.node("Mul", {in, candidate})});
  return {b.graph.node("Mul", {out, b.graph.node("Tanh", {cell})}), cell};
}

struct SemanticInputs {
  Value features, counts;  // [batch, N, F] float, [batch] int64
  Value mask;              // [batch, N, 1] float, 1 for a region that is there
  Value mean;              // [batch, F]
  Value any;               // [batch, 1] float, 1 where there is a region
};

SemanticInputs semantic_inputs(OnnxBuilder& b, std::int64_t regions, std::int64_t width) {
  OnnxGraph& g = b.graph;
  SemanticInputs in;
  in.features = g.input("region_features", at::kFloat, {"batch", regions, width});
  in.counts = g.input("region_counts", at::kLong, {"batch"});
  const Value count =
      g.node("Cast", {g.node("Unsqueeze", {in.counts, g.integers({1})})}, {Attribute::integer("to", 1)});  // [batch, 1]
  const Value places = g.constant("places", at::arange(regions, at::kFloat).unsqueeze(0));
  const Value there = g.node("Cast", {g.node("Less", {places, count})}, {Attribute::integer("to", 1)});
  in.mask = g.node("Unsqueeze", {there, g.integers({2})});
  const Value sum =
      g.node("ReduceSum", {g.node("Mul", {in.features, in.mask}), g.integers({1})}, {Attribute::integer("keepdims", 0)});
  in.mean = g.node("Div", {sum, g.node("Max", {count, b.number(1)})});
  in.any = g.node("Min", {count, b.number(1)});
  return in;
}

/// Eq 3-10, steps unrolled; returns v_s and, for the LSTMs, the attention.
std::pair<Value, Value> semantic_net(OnnxBuilder& b, const SemanticNetOptions& options, std::int64_t regions) {
  OnnxGraph& g = b.graph;
  const SemanticInputs in = semantic_inputs(b, regions, options.feature);
  if (options.fc) {
    const auto layer = [&](const Value& x, const std::string& name) {
      return b.relu(g.node("Add", {b.project(x, name + ".weight"), b.weight(name + ".bias")}));
    };
    const Value hidden = layer(layer(in.features, "semantic.fc.0"), "semantic.fc.2");
    const Value sum =
        g.node("ReduceSum", {g.node("Mul", {hidden, in.mask}), g.integers({1})}, {Attribute::integer("keepdims", 0)});
    const Value count =
        g.node("Max", {g.node("ReduceSum", {in.mask, g.integers({1})}, {Attribute::integer("keepdims", 0)}), b.number(1)});
    return {g.node("Mul", {g.node("Div", {sum, count}), in.any}), {}};
  }
  const Value batch = g.node("Gather", {g.node("Shape", {in.features}), g.integers({0})}, {Attribute::integer("axis", 0)});
  const Value zero = g.node("Expand", {g.constant("zero_state", at::zeros({1, options.hidden})),
                                       g.node("Concat", {batch, g.integers({options.hidden})}, {Attribute::integer("axis", 0)})});
  Value h_att = zero, c_att = zero, h_cor = zero, c_cor = zero;
  const Value projected = b.project(in.features, "semantic.attention.feature.weight");
  const Value flat_mask = g.node("Squeeze", {in.mask, g.integers({2})});
  const Value absent = g.node(
      "Mul", {g.node("Sub", {b.number(1), flat_mask}), g.constant("lowest", at::tensor(std::numeric_limits<float>::lowest()))});
  std::vector<Value> attention;
  for (std::int64_t t = 0; t < options.steps; ++t) {
    const Value previous = h_att;
    std::tie(h_att, c_att) = lstm_cell(b, g.node("Concat", {h_cor, in.mean}, {Attribute::integer("axis", 1)}), h_att, c_att,
                                       "semantic.attention_lstm");
    const Value query = g.node("Unsqueeze", {b.project(h_att, "semantic.attention.hidden.weight"), g.integers({1})});
    const Value score = b.project(g.node("Tanh", {g.node("Add", {projected, query})}), "semantic.attention.score.weight");
    const Value alpha = g.node("Softmax", {g.node("Add", {g.node("Squeeze", {score, g.integers({2})}), absent})},
                               {Attribute::integer("axis", 1)});
    const Value row = g.node("Unsqueeze", {alpha, g.integers({1})});
    const Value f_att = g.node("Squeeze", {g.node("MatMul", {row, in.features}), g.integers({1})});
    std::tie(h_cor, c_cor) =
        lstm_cell(b, g.node("Concat", {options.lag ? previous : h_att, f_att}, {Attribute::integer("axis", 1)}), h_cor, c_cor,
                  "semantic.correlation_lstm");
    attention.push_back(row);
  }
  return {g.node("Mul", {h_cor, in.any}), g.node("Concat", attention, {Attribute::integer("axis", 1)})};
}

/// to_luminance() as a convolution of one pixel: out_k = (sum_c w_c (s_c x_c + m_c) - m_k) / s_k.
Value luminance(OnnxBuilder& b, const Value& images) {
  const at::Tensor mean = at::tensor({0.485F, 0.456F, 0.406F}), std = at::tensor({0.229F, 0.224F, 0.225F}),
                   weights = at::tensor({0.299F, 0.587F, 0.114F});
  const at::Tensor kernel = (weights * std).unsqueeze(0) / std.unsqueeze(1);  // [k, c]
  return b.graph.node("Conv",
                      {images, b.graph.constant("luminance.weight", kernel.view({3, 3, 1, 1})),
                       b.graph.constant("luminance.bias", ((weights * mean).sum() - mean) / std)},
                      {Attribute::list("kernel_shape", {1, 1})});
}

}  // namespace

void write_onnx_classifier(const std::filesystem::path& file, const StateDict& state,
                           const std::map<std::string, std::string>& metadata) {
  OnnxBuilder b(state);
  const Value features = backbone(b, image_input(b, "backbone."), "backbone.");
  b.graph.output("logits", b.linear(features, "classifier"), {"batch", rows(b, "classifier")});
  finish(b, file, metadata);
}

void write_onnx_emotion_net(const std::filesystem::path& file, const StateDict& state, Head head,
                            const std::map<std::string, std::string>& metadata) {
  OnnxBuilder b(state);
  const Value features = backbone(b, image_input(b, "backbone."), "backbone.");
  const Value projection = b.linear(features, "projection");
  b.graph.output("logits", b.linear(head == Head::kJoint ? projection : features, "classifier"),
                 {"batch", rows(b, "classifier")});
  b.graph.output("projection", projection, {"batch", rows(b, "projection")});
  if (head == Head::kThreeBranch)
    b.graph.output("extra_logits", b.linear(features, "extra_classifier"), {"batch", rows(b, "extra_classifier")});
  finish(b, file, metadata);
}

void write_onnx_textcnn(const std::filesystem::path& file, const StateDict& state, std::int64_t max_keywords,
                        const std::map<std::string, std::string>& metadata) {
  OnnxBuilder b(state);
  OnnxGraph& g = b.graph;
  const Value ids = g.input("ids", at::kLong, {"batch", max_keywords});
  const Value words = g.node("Gather", {b.weight("embedding.weight"), ids}, {Attribute::integer("axis", 0)});
  // A convolution of one word is a product: [batch, max_keywords, d]
  const Value w = g.constant("conv.weight.transposed", b.tensor("conv.weight").squeeze(2).t());
  const Value hidden = b.relu(g.node("Add", {g.node("MatMul", {words, w}), b.weight("conv.bias")}));
  const Value mean = g.node("ReduceMean", {hidden}, {Attribute::list("axes", {1}), Attribute::integer("keepdims", 0)});
  const at::Tensor scale = b.tensor("norm.weight") * at::rsqrt(b.tensor("norm.running_var") + b.norm_epsilon);
  const Value scaled = g.node("Mul", {mean, g.constant("norm.scale", scale)});
  const Value normed =
      g.node("Add", {scaled, g.constant("norm.shift", b.tensor("norm.bias") - b.tensor("norm.running_mean") * scale)});
  g.output("logits", b.linear(b.linear(normed, "hidden"), "classifier"), {"batch", rows(b, "classifier")});
  finish(b, file, metadata);
}

void write_onnx_stimuli_net(const std::filesystem::path& file, const StateDict& state, const StimuliNetOptions& options,
                            std::int64_t regions, const std::map<std::string, std::string>& metadata) {
  OnnxBuilder b(state);
  OnnxGraph& g = b.graph;
  std::vector<Value> features;
  Value attention;
  if (options.global) {
    const Value images = image_input(b, "global.");
    features.push_back(backbone(b, options.luminance ? luminance(b, images) : images, "global."));
  }
  if (options.semantic) {
    Value seen;
    std::tie(seen, attention) = semantic_net(b, options.semantic_net, regions);
    features.push_back(seen);
  }
  if (options.expression) {
    const Value faces = g.input("faces", at::kFloat, {"batch", 3, "face_height", "face_width"});
    const Value has_face = g.node("Unsqueeze", {g.input("has_face", at::kFloat, {"batch"}), g.integers({1})});
    features.push_back(g.node("Mul", {backbone(b, faces, "expression."), has_face}));
  }
  const Value all = features.size() == 1 ? features[0] : g.node("Concat", features, {Attribute::integer("axis", 1)});
  g.output("logits", b.linear(all, "classifier"), {"batch", rows(b, "classifier")});
  if (!attention.empty()) g.output("attention", attention, {"batch", options.semantic_net.steps, regions});
  finish(b, file, metadata);
}

}  // namespace emotion
