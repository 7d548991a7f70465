#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>

#include "emotion/io/file.h"
#include "emotion/stimuli/boxes.h"
#include "emotion/stimuli/roi_align.h"
#include "emotion/stimuli/roi_pool.h"

namespace emotion {

/// Runs an ONNX file operator by operator with LibTorch's functions, each as the standard (opset 17) has it. It knows what
/// OpenCV's interpreter does not: int64 inputs, shapes that are computed. Of Protocol Buffers it reads what ONNX needs.
class OnnxRun {
 public:
  using Tensors = std::map<std::string, at::Tensor>;

  explicit OnnxRun(const std::filesystem::path& file) : bytes_(read_file(file)) {
    for (const Field& field : fields(bytes_)) {
      if (field.number == 7) graph_ = field.bytes;
    }
    for (const Field& field : fields(graph_)) {
      if (field.number == 1) nodes_.push_back(read_node(field.bytes));
      if (field.number == 5) read_initializer(field.bytes);
      if (field.number == 11) read_input(field.bytes);
      if (field.number == 12) outputs_.emplace_back(text(field.bytes, 1));
    }
  }

  /// Lengths of an input's dimensions; -1 for one that is free.
  const std::vector<std::int64_t>& input_shape(const std::string& name) const { return inputs_.at(name); }

  /// All outputs, by name.
  Tensors run(Tensors values) const {
    for (const auto& [name, lengths] : inputs_) check_shape(name, values.at(name), lengths);
    values.insert(initializers_.begin(), initializers_.end());
    for (const Node& node : nodes_) {
      std::vector<at::Tensor> inputs;
      for (const auto& name : node.inputs) inputs.push_back(name.empty() ? at::Tensor() : values.at(name));
      if (node.type == "Split") {
        const auto parts = inputs.at(0).chunk(static_cast<std::int64_t>(node.outputs.size()), node.integer("axis"));
        for (std::size_t i = 0; i < parts.size(); ++i) values[node.outputs[i]] = parts[i];
      } else if (node.type == "TopK") {
        const auto [best, places] = inputs.at(0).sort(/*stable=*/true, node.integer("axis"), node.integer("largest", 1) != 0);
        values[node.outputs.at(0)] = best.narrow(node.integer("axis"), 0, inputs.at(1).item<std::int64_t>());
        values[node.outputs.at(1)] = places.narrow(node.integer("axis"), 0, inputs.at(1).item<std::int64_t>());
      } else {
        values[node.outputs.at(0)] = apply(node, inputs);
      }
    }
    Tensors result;
    for (const auto& name : outputs_) result[name] = values.at(name);
    return result;
  }

 private:
  struct Field {
    std::uint64_t number = 0, integer = 0;
    std::string_view bytes;
    float real = 0;
  };
  struct Node {
    std::string type;
    std::vector<std::string> inputs, outputs;
    std::map<std::string, std::vector<std::int64_t>> integers;
    std::map<std::string, float> reals;
    std::map<std::string, std::string> texts;
    std::int64_t integer(const std::string& name) const { return integers.at(name).at(0); }
    std::int64_t integer(const std::string& name, std::int64_t absent) const {
      return integers.contains(name) ? integer(name) : absent;
    }
  };

  static std::uint64_t varint(std::string_view bytes, std::size_t& at) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.at(at++));
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
  }
  static std::vector<Field> fields(std::string_view bytes) {
    std::vector<Field> all;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::uint64_t head = varint(bytes, at);
      Field& field = all.emplace_back();
      field.number = head >> 3;
      switch (head & 7) {
        case 0: field.integer = varint(bytes, at); break;
        case 2: {
          const std::uint64_t size = varint(bytes, at);
          field.bytes = bytes.substr(at, size);
          at += size;
          break;
        }
        case 5:
          std::memcpy(&field.real, bytes.data() + at, 4);
          at += 4;
          break;
        default: throw std::runtime_error("an unknown kind of field");
      }
    }
    return all;
  }
  static std::string text(std::string_view message, std::uint64_t number) {
    for (const Field& field : fields(message)) {
      if (field.number == number) return std::string(field.bytes);
    }
    return {};
  }

  static Node read_node(std::string_view message) {
    Node node;
    for (const Field& field : fields(message)) {
      if (field.number == 1) node.inputs.emplace_back(field.bytes);
      if (field.number == 2) node.outputs.emplace_back(field.bytes);
      if (field.number == 4) node.type = field.bytes;
      if (field.number != 5) continue;
      const std::string name = text(field.bytes, 1);
      for (const Field& part : fields(field.bytes)) {
        if (part.number == 2) node.reals[name] = part.real;
        if (part.number == 4) node.texts[name] = part.bytes;
        if (part.number == 3 || part.number == 8) node.integers[name].push_back(static_cast<std::int64_t>(part.integer));
      }
    }
    return node;
  }

  void read_initializer(std::string_view message) {
    std::vector<std::int64_t> shape;
    std::string name;
    std::string_view raw;
    at::ScalarType type = at::kFloat;
    for (const Field& field : fields(message)) {
      if (field.number == 1) shape.push_back(static_cast<std::int64_t>(field.integer));
      if (field.number == 2) type = type_of(static_cast<std::int64_t>(field.integer));
      if (field.number == 8) name = field.bytes;
      if (field.number == 9) raw = field.bytes;
    }
    at::Tensor tensor = at::empty(shape, type);
    if (tensor.nbytes() != raw.size()) throw std::runtime_error(name + ": its data does not fit its shape");
    if (!raw.empty()) std::memcpy(tensor.data_ptr(), raw.data(), raw.size());
    initializers_[name] = tensor;
  }

  void read_input(std::string_view message) {
    const std::string shape = text(text(text(message, 2), 1), 2);  // its TypeProto, the tensor of that, its shape
    std::vector<std::int64_t>& lengths = inputs_[text(message, 1)];
    for (const Field& dimension : fields(shape)) {
      lengths.push_back(-1);
      for (const Field& part : fields(dimension.bytes)) {
        if (part.number == 1) lengths.back() = static_cast<std::int64_t>(part.integer);
      }
    }
  }
  static void check_shape(const std::string& name, const at::Tensor& value, const std::vector<std::int64_t>& lengths) {
    bool fits = value.dim() == static_cast<std::int64_t>(lengths.size());
    for (std::size_t i = 0; fits && i < lengths.size(); ++i)
      fits = lengths[i] == -1 || lengths[i] == value.size(static_cast<std::int64_t>(i));
    if (!fits) throw std::runtime_error(name + ": not the shape that the file names");
  }

  static at::ScalarType type_of(std::int64_t data_type) {
    if (data_type != 1 && data_type != 7) throw std::runtime_error("a type that is neither float nor int64");
    return data_type == 1 ? at::kFloat : at::kLong;
  }
  static std::vector<std::int64_t> list(const at::Tensor& tensor) {
    const at::Tensor dense = tensor.contiguous();
    return {dense.data_ptr<std::int64_t>(), dense.data_ptr<std::int64_t>() + dense.numel()};
  }
  static std::vector<std::int64_t> first_pads(const Node& node) {  // both ends alike
    const auto& pads = node.integers.at("pads");
    if (pads.at(0) != pads.at(2) || pads.at(1) != pads.at(3)) throw std::runtime_error("pads that differ");
    return {pads[0], pads[1]};
  }

  static at::Tensor apply(const Node& node, const std::vector<at::Tensor>& in) {
    const std::string& type = node.type;
    const at::Tensor& x = in.at(0);
    if (type == "Identity") return x;
    if (type == "Relu") return x.relu();
    if (type == "Sigmoid") return x.sigmoid();
    if (type == "Tanh") return x.tanh();
    if (type == "Add") return x + in.at(1);
    if (type == "Sub") return x - in.at(1);
    if (type == "Mul") return x * in.at(1);
    if (type == "Div") return x / in.at(1);
    if (type == "Min") return at::minimum(x, in.at(1));
    if (type == "Max") return at::maximum(x, in.at(1));
    if (type == "Less") return x < in.at(1);
    if (type == "MatMul") return x.matmul(in.at(1));
    if (type == "Softmax") return x.softmax(node.integer("axis"));
    if (type == "Concat") return at::cat(in, node.integer("axis"));
    if (type == "Cast") return x.to(type_of(node.integer("to")));
    if (type == "Shape") return at::tensor(x.sizes(), at::kLong);
    if (type == "Expand") return at::broadcast_tensors({x, at::empty(list(in.at(1)))})[0];
    if (type == "Unsqueeze") return x.unsqueeze(list(in.at(1)).at(0));
    if (type == "Squeeze") return in.size() > 1 ? x.squeeze(list(in.at(1)).at(0)) : x.squeeze();
    if (type == "ReduceSum") return in.size() > 1 ? x.sum(list(in.at(1)), node.integer("keepdims") != 0) : x.sum().view({1});
    if (type == "ReduceMean") return x.mean(node.integers.at("axes"), node.integer("keepdims") != 0);
    if (type == "Flatten") return x.flatten(node.integer("axis"));
    if (type == "Gather") return gather(x, in.at(1), node.integer("axis"));
    if (type == "GlobalAveragePool") return x.mean({2, 3}, true);
    if (type == "MaxPool")
      return at::max_pool2d(x, node.integers.at("kernel_shape"), node.integers.at("strides"), first_pads(node), 1,
                            node.integer("ceil_mode", 0) != 0);
    if (type == "Gemm") {
      if (node.integer("transB") != 1) throw std::runtime_error("a Gemm of another kind");
      const at::Tensor product = x.matmul(in.at(1).t());
      return in.size() > 2 ? product + in[2] : product;
    }
    if (type == "Conv") {
      const at::Tensor bias = in.size() > 2 ? in[2] : at::Tensor();
      if (!node.integers.contains("strides")) return at::conv2d(x, in.at(1), bias);
      return at::conv2d(x, in.at(1), bias, node.integers.at("strides"), first_pads(node), node.integer("dilations", 1));
    }
    if (type == "BatchNormalization") {
      const auto side = [](const at::Tensor& channel) { return channel.view({1, -1, 1, 1}); };
      return (x - side(in.at(3))) / (side(in.at(4)) + node.reals.at("epsilon")).sqrt() * side(in.at(1)) + side(in.at(2));
    }
    return apply_to_boxes(node, in);
  }

  /// What only detectors use.
  static at::Tensor apply_to_boxes(const Node& node, const std::vector<at::Tensor>& in) {
    const std::string& type = node.type;
    const at::Tensor& x = in.at(0);
    if (type == "Exp") return x.exp();
    if (type == "Log") return x.log();
    if (type == "Sqrt") return x.sqrt();
    if (type == "Floor") return x.floor();
    if (type == "Equal") return x.eq(in.at(1));
    if (type == "GreaterOrEqual") return x.ge(in.at(1));
    if (type == "LessOrEqual") return x.le(in.at(1));
    if (type == "And") return x.logical_and(in.at(1));
    if (type == "Where") return at::where(x, in.at(1), in.at(2));
    if (type == "Transpose") return x.permute(node.integers.at("perm")).contiguous();
    if (type == "Range") return at::arange(x.item<std::int64_t>(), in.at(1).item<std::int64_t>(), in.at(2).item<std::int64_t>());
    if (type == "NonZero") return x.nonzero().t().contiguous();
    if (type == "CumSum") return x.cumsum(in.at(1).item<std::int64_t>());
    if (type == "ArgMax") return x.argmax(node.integer("axis"), node.integer("keepdims") != 0);
    if (type == "ReduceMin") return x.amin(node.integers.at("axes"), node.integer("keepdims") != 0);
    if (type == "ReduceMax") return x.amax(node.integers.at("axes"), node.integer("keepdims") != 0);
    if (type == "GatherElements") return x.gather(node.integer("axis"), in.at(1));
    if (type == "Slice")
      return x.slice(in.at(3).item<std::int64_t>(), in.at(1).item<std::int64_t>(), in.at(2).item<std::int64_t>());
    if (type == "Reshape") {
      auto shape = list(in.at(1));
      for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 0) shape[i] = x.size(static_cast<std::int64_t>(i));
      }
      return x.reshape(shape);
    }
    if (type == "GatherND" || type == "ScatterND") {
      std::vector<std::optional<at::Tensor>> places;
      for (const at::Tensor& column : in.at(1).unbind(1)) places.emplace_back(column);
      c10::List<std::optional<at::Tensor>> indices;
      for (const auto& place : places) indices.push_back(place);
      return type == "GatherND" ? at::index(x, indices) : at::index_put(x, indices, in.at(2));
    }
    if (type == "Resize") {  // nearest, by whole factors
      const at::Tensor factors = in.at(2).to(at::kLong);
      return x.repeat_interleave(factors[2].item<std::int64_t>(), 2).repeat_interleave(factors[3].item<std::int64_t>(), 3);
    }
    if (type == "NonMaxSuppression")
      return onnx_suppress(x, in.at(1), in.at(2).item<std::int64_t>(), in.at(3).item<float>(), in.at(4).item<float>());
    if (type == "RoiAlign") {
      if (node.texts.at("coordinate_transformation_mode") != "output_half_pixel" || node.texts.at("mode") != "avg")
        throw std::runtime_error("a RoiAlign of another kind");
      return roi_align(x, at::cat({in.at(2).to(at::kFloat).unsqueeze(1), in.at(1)}, 1),
                       {.height = node.integer("output_height"),
                        .width = node.integer("output_width"),
                        .scale = node.reals.at("spatial_scale"),
                        .sampling = node.integer("sampling_ratio")});
    }
    if (type == "MaxRoiPool")
      return roi_max_pool(x, in.at(1), node.reals.at("spatial_scale"), node.integers.at("pooled_shape").at(0));
    throw std::runtime_error("operator " + type + " is not known here");
  }

  /// NonMaxSuppression as the standard has it: for each batch and each class, best first, of equal scores the first.
  static at::Tensor onnx_suppress(const at::Tensor& boxes, const at::Tensor& scores, std::int64_t most, float threshold,
                                  float least) {
    std::vector<std::int64_t> kept;
    for (std::int64_t batch = 0; batch < scores.size(0); ++batch) {
      const at::Tensor overlap = box_iou(boxes[batch], boxes[batch]);
      for (std::int64_t kind = 0; kind < scores.size(1); ++kind) {
        const auto [values, order] = scores[batch][kind].sort(/*stable=*/true, 0, /*descending=*/true);
        std::vector<std::int64_t> own;
        for (std::int64_t i = 0; i < order.size(0) && static_cast<std::int64_t>(own.size()) < most; ++i) {
          if (values[i].item<float>() <= least) break;
          const std::int64_t box = order[i].item<std::int64_t>();
          const bool gone = std::any_of(own.begin(), own.end(),
                                        [&](std::int64_t better) { return overlap[better][box].item<float>() > threshold; });
          if (!gone) own.push_back(box);
        }
        for (const std::int64_t box : own) kept.insert(kept.end(), {batch, kind, box});
      }
    }
    return at::tensor(kept, at::kLong).view({-1, 3});
  }

  static at::Tensor gather(const at::Tensor& x, const at::Tensor& indices, std::int64_t axis) {
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.erase(shape.begin() + axis);
    shape.insert(shape.begin() + axis, indices.sizes().begin(), indices.sizes().end());
    return x.index_select(axis, indices.reshape({-1})).reshape(shape);
  }

  std::string bytes_;
  std::string_view graph_;
  std::vector<Node> nodes_;
  Tensors initializers_;
  std::map<std::string, std::vector<std::int64_t>> inputs_;
  std::vector<std::string> outputs_;
};

}  // namespace emotion
