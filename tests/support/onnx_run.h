#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>

#include "emotion/io/file.h"

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
      if (field.number == 12) outputs_.emplace_back(text(field.bytes, 1));
    }
  }

  /// All outputs, by name.
  Tensors run(Tensors values) const {
    values.insert(initializers_.begin(), initializers_.end());
    for (const Node& node : nodes_) {
      std::vector<at::Tensor> inputs;
      for (const auto& name : node.inputs) inputs.push_back(values.at(name));
      if (node.type == "Split") {
        const auto parts = inputs.at(0).chunk(static_cast<std::int64_t>(node.outputs.size()), node.integer("axis"));
        for (std::size_t i = 0; i < parts.size(); ++i) values[node.outputs[i]] = parts[i];
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
    std::int64_t integer(const std::string& name) const { return integers.at(name).at(0); }
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

  static at::ScalarType type_of(std::int64_t data_type) {
    if (data_type != 1 && data_type != 7) throw std::runtime_error("a type that is neither float nor int64");
    return data_type == 1 ? at::kFloat : at::kLong;
  }
  static std::vector<std::int64_t> list(const at::Tensor& tensor) {
    return {tensor.data_ptr<std::int64_t>(), tensor.data_ptr<std::int64_t>() + tensor.numel()};
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
    if (type == "Expand") return x.expand(list(in.at(1)));
    if (type == "Unsqueeze") return x.unsqueeze(list(in.at(1)).at(0));
    if (type == "Squeeze") return x.squeeze(list(in.at(1)).at(0));
    if (type == "ReduceSum") return x.sum(list(in.at(1)), node.integer("keepdims") != 0);
    if (type == "ReduceMean") return x.mean(node.integers.at("axes"), node.integer("keepdims") != 0);
    if (type == "Flatten") return x.flatten(node.integer("axis"));
    if (type == "Gather") return gather(x, in.at(1), node.integer("axis"));
    if (type == "GlobalAveragePool") return x.mean({2, 3}, true);
    if (type == "MaxPool")
      return at::max_pool2d(x, node.integers.at("kernel_shape"), node.integers.at("strides"), first_pads(node));
    if (type == "Gemm") {
      if (node.integer("transB") != 1) throw std::runtime_error("a Gemm of another kind");
      const at::Tensor product = x.matmul(in.at(1).t());
      return in.size() > 2 ? product + in[2] : product;
    }
    if (type == "Conv") {
      const at::Tensor bias = in.size() > 2 ? in[2] : at::Tensor();
      if (!node.integers.contains("strides")) return at::conv2d(x, in.at(1), bias);
      return at::conv2d(x, in.at(1), bias, node.integers.at("strides"), first_pads(node));
    }
    if (type == "BatchNormalization") {
      const auto side = [](const at::Tensor& channel) { return channel.view({1, -1, 1, 1}); };
      return (x - side(in.at(3))) / (side(in.at(4)) + node.reals.at("epsilon")).sqrt() * side(in.at(1)) + side(in.at(2));
    }
    throw std::runtime_error("operator " + type + " is not known here");
  }

  static at::Tensor gather(const at::Tensor& x, const at::Tensor& indices, std::int64_t axis) {
    if (axis != 0) throw std::runtime_error("a Gather along another axis");
    std::vector<std::int64_t> shape = indices.sizes().vec();
    shape.insert(shape.end(), x.sizes().begin() + 1, x.sizes().end());
    return x.index_select(0, indices.reshape({-1})).reshape(shape);
  }

  std::string bytes_;
  std::string_view graph_;
  std::vector<Node> nodes_;
  Tensors initializers_;
  std::vector<std::string> outputs_;
};

}  // namespace emotion
