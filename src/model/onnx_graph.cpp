#include "emotion/model/onnx_graph.h"

#include <algorithm>
#include <bit>
#include <ostream>

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

// Protocol Buffers' wire format: a field is (number << 3 | kind), then a varint (kind 0), 4 bytes (5), or a length and bytes (2).
constexpr std::uint64_t kMostBytes = 0x7fffffff;
constexpr int kIrVersion = 8, kOpset = 17;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void put_integer(std::string& out, int field, std::int64_t value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3);
  put_varint(out, static_cast<std::uint64_t>(value));
}
void put_float(std::string& out, int field, float value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(bits >> 8 * i & 0xff);
}
void put_head(std::string& out, int field, std::uint64_t size) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  put_varint(out, size);
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_head(out, field, bytes.size());
  out += bytes;
}

/// TensorProto.DataType
int data_type(at::ScalarType type) { return type == at::kLong ? 7 : 1; }

std::string value_info(const std::string& name, at::ScalarType type, const std::vector<OnnxGraph::Length>& shape) {
  std::string dims;
  for (const auto& length : shape) {
    std::string dim;
    if (length.name.empty()) {
      put_integer(dim, 1, length.value);
    } else {
      put_bytes(dim, 2, length.name);
    }
    put_bytes(dims, 1, dim);
  }
  std::string tensor, of_type, info;
  put_integer(tensor, 1, data_type(type));
  put_bytes(tensor, 2, dims);
  put_bytes(of_type, 1, tensor);
  put_bytes(info, 1, name);
  put_bytes(info, 2, of_type);
  return info;
}

std::string attribute_message(const OnnxGraph::Attribute& attribute) {
  std::string message;
  put_bytes(message, 1, attribute.name);
  switch (attribute.kind) {
    case OnnxGraph::Attribute::Kind::kInteger:
      put_integer(message, 3, attribute.integers[0]);
      put_integer(message, 20, 2);
      break;
    case OnnxGraph::Attribute::Kind::kIntegers:
      for (const std::int64_t value : attribute.integers) put_integer(message, 8, value);
      put_integer(message, 20, 7);
      break;
    case OnnxGraph::Attribute::Kind::kReal:
      put_float(message, 2, static_cast<float>(attribute.real));
      put_integer(message, 20, 1);
      break;
    case OnnxGraph::Attribute::Kind::kText:
      put_bytes(message, 4, attribute.characters);
      put_integer(message, 20, 3);
      break;
  }
  return message;
}

}  // namespace

OnnxGraph::Value OnnxGraph::fresh(const std::string& type) { return fmt::format("{}_{}", type, count_++); }

OnnxGraph::Value OnnxGraph::input(const std::string& name, at::ScalarType type, const std::vector<Length>& shape) {
  put_bytes(inputs_, 11, value_info(name, type, shape));
  return name;
}

void OnnxGraph::output(const std::string& name, const Value& value, const std::vector<Length>& shape, at::ScalarType type) {
  std::string message;
  put_bytes(message, 1, value);
  put_bytes(message, 2, name);
  put_bytes(message, 3, "output_" + name);
  put_bytes(message, 4, "Identity");
  put_bytes(nodes_, 1, message);
  put_bytes(outputs_, 12, value_info(name, type, shape));
}

OnnxGraph::Value OnnxGraph::constant(const std::string& name, const at::Tensor& tensor) {
  if (std::find(constants_.begin(), constants_.end(), name) != constants_.end()) return name;
  constants_.push_back(name);
  const at::Tensor dense = tensor.detach().cpu().to(tensor.scalar_type() == at::kLong ? at::kLong : at::kFloat).contiguous();
  std::string header;
  for (const std::int64_t length : dense.sizes()) put_integer(header, 1, length);
  put_integer(header, 2, data_type(dense.scalar_type()));
  put_bytes(header, 8, name);
  put_head(header, 9, dense.nbytes());
  initializers_.push_back({std::move(header), dense});
  return name;
}

OnnxGraph::Value OnnxGraph::integers(const std::vector<std::int64_t>& values) {
  std::string name = "integers";
  for (const std::int64_t value : values) name += fmt::format("_{}", value);
  return constant(name, at::tensor(values, at::kLong));
}

OnnxGraph::Value OnnxGraph::integer(std::int64_t value) {
  return constant(fmt::format("integer_{}", value), at::scalar_tensor(value, at::kLong));
}

OnnxGraph::Value OnnxGraph::node(const std::string& type, const std::vector<Value>& inputs,
                                 const std::vector<Attribute>& attributes) {
  return nodes(type, inputs, attributes, 1)[0];
}

std::vector<OnnxGraph::Value> OnnxGraph::nodes(const std::string& type, const std::vector<Value>& inputs,
                                               const std::vector<Attribute>& attributes, std::size_t outputs) {
  std::string message;
  for (const auto& value : inputs) put_bytes(message, 1, value);
  std::vector<Value> made;
  for (std::size_t i = 0; i < outputs; ++i) {
    made.push_back(fresh(type));
    put_bytes(message, 2, made.back());
  }
  put_bytes(message, 3, "node_" + made[0]);
  put_bytes(message, 4, type);
  for (const auto& attribute : attributes) put_bytes(message, 5, attribute_message(attribute));
  put_bytes(nodes_, 1, message);
  return made;
}

void OnnxGraph::write(const std::filesystem::path& file) const {
  std::string name, opset, head, tail;
  put_bytes(name, 2, "emotion");
  std::uint64_t size = nodes_.size() + name.size() + inputs_.size() + outputs_.size();
  std::vector<std::string> heads;
  for (const auto& initializer : initializers_) {
    auto& of_tensor = heads.emplace_back();
    put_head(of_tensor, 5, initializer.header.size() + initializer.data.nbytes());
    size += of_tensor.size() + initializer.header.size() + initializer.data.nbytes();
  }
  if (size > kMostBytes - (1 << 20)) throw WeightsError(file.string() + ": an ONNX file holds at most 2 GB");
  put_integer(head, 1, kIrVersion);
  put_bytes(head, 2, "emotion");
  put_head(head, 7, size);
  put_bytes(opset, 1, "");
  put_integer(opset, 2, kOpset);
  put_bytes(tail, 8, opset);
  for (const auto& [key, value] : metadata_) {
    std::string pair;
    put_bytes(pair, 1, key);
    put_bytes(pair, 2, value);
    put_bytes(tail, 14, pair);
  }
  write_file_atomically(file, [&](std::ostream& out) {
    const auto write = [&](const std::string& bytes) { out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); };
    write(head);
    write(nodes_);
    write(name);
    for (std::size_t i = 0; i < initializers_.size(); ++i) {
      write(heads[i]);
      write(initializers_[i].header);
      const at::Tensor& data = initializers_[i].data;
      if (data.nbytes() > 0)
        out.write(static_cast<const char*>(data.const_data_ptr()), static_cast<std::streamsize>(data.nbytes()));
    }
    write(inputs_);
    write(outputs_);
    write(tail);
  });
}

}  // namespace emotion
