#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// An ONNX graph while it is built (opset 17), and its bytes: the few messages of onnx.proto that inference needs, written by
/// hand.
///
/// Values are known by name; every function returns the name of what it makes.
class OnnxGraph {
 public:
  using Value = std::string;
  struct Attribute {
    std::string name;
    std::vector<std::int64_t> integers;
    double real = 0;
    std::string characters;
    enum class Kind { kInteger, kIntegers, kReal, kText } kind;
    static Attribute integer(std::string name, std::int64_t value) { return {std::move(name), {value}, 0, {}, Kind::kInteger}; }
    static Attribute list(std::string name, std::vector<std::int64_t> v) {
      return {std::move(name), std::move(v), 0, {}, Kind::kIntegers};
    }
    static Attribute number(std::string name, double value) { return {std::move(name), {}, value, {}, Kind::kReal}; }
    static Attribute text(std::string name, std::string v) { return {std::move(name), {}, 0, std::move(v), Kind::kText}; }
  };
  /// A length of a shape: a number, or a name for one that is free.
  struct Length {
    Length(std::int64_t v) : value(v) {}  // NOLINT: written as numbers and names
    Length(const char* n) : name(n) {}    // NOLINT
    std::int64_t value = 0;
    std::string name;
  };

  /// float or int64, by `type`.
  Value input(const std::string& name, at::ScalarType type, const std::vector<Length>& shape);
  void output(const std::string& name, const Value& value, const std::vector<Length>& shape,
              at::ScalarType type = at::ScalarType::Float);
  /// A constant: float32 or int64 (other floats are converted). The same name is kept once.
  Value constant(const std::string& name, const at::Tensor& tensor);
  Value integers(const std::vector<std::int64_t>& values);
  /// int64 without a dimension
  Value integer(std::int64_t value);
  Value node(const std::string& type, const std::vector<Value>& inputs, const std::vector<Attribute>& attributes = {});
  std::vector<Value> nodes(const std::string& type, const std::vector<Value>& inputs, const std::vector<Attribute>& attributes,
                           std::size_t outputs);
  void metadata(const std::string& key, const std::string& value) { metadata_.emplace_back(key, value); }

  /// Whole or not at all. @throws RunError; WeightsError for a file beyond protobuf's 2 GB
  void write(const std::filesystem::path& file) const;

 private:
  Value fresh(const std::string& type);

  struct Initializer {
    std::string header;  // the message up to its data
    at::Tensor data;
  };
  std::string nodes_, inputs_, outputs_;
  std::vector<Initializer> initializers_;
  std::vector<std::string> constants_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::uint64_t count_ = 0;
};

}  // namespace emotion
