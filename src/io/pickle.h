#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// A value of a pickle, as far as a state_dict needs it. What is not understood but harmless is kOpaque.
struct PickleValue;
using PicklePtr = std::shared_ptr<PickleValue>;

struct PickleValue {
  enum class Kind { kNone, kBool, kInt, kFloat, kText, kBytes, kTuple, kList, kDict, kGlobal, kTensor, kStorage, kOpaque };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;                              // kBool, kInt; kStorage: elements
  double real = 0;                                      // kFloat
  std::string text;                                     // kText, kBytes, kGlobal (module.name); kStorage: its key
  std::vector<PicklePtr> items;                         // kTuple, kList
  std::vector<std::pair<PicklePtr, PicklePtr>> fields;  // kDict
  at::Tensor tensor;                                    // kTensor, and a storage's data once it is read (kStorage, 1-d)
  at::ScalarType type = at::kFloat;                     // kStorage
};

/// Runs a pickle (protocol 2 to 5) that can build plain values and tensors and nothing else: callables outside a short list are
/// refused, none is ever called.
class Unpickler {
 public:
  /// `where` is for errors. `load_storage` resolves persistent ids: tuples (as in torch.save) -> kStorage.
  Unpickler(std::string_view bytes, std::string where, std::function<PicklePtr(const PickleValue&)> load_storage);
  /// The values of load() are emptied: they live as long as the unpickler.
  ~Unpickler();
  Unpickler(const Unpickler&) = delete;
  Unpickler& operator=(const Unpickler&) = delete;
  /// One pickle; position() is then behind it. @throws WeightsError
  PicklePtr load();
  std::size_t position() const { return at_; }
  void seek(std::size_t at) { at_ = at; }

 private:
  [[noreturn]] void refuse(const std::string& what) const;
  PicklePtr make(PickleValue::Kind kind);
  std::string_view take(std::uint64_t count);
  std::uint64_t number(int bytes);
  std::string line();
  PicklePtr pop();
  std::vector<PicklePtr> pop_to_mark();
  void push(PicklePtr value);
  void push_text(PickleValue::Kind kind, std::string text);
  void push_int(std::int64_t value);
  void push_global(const std::string& module, const std::string& name);
  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  void reduce();
  void build();
  bool reduce_numpy(const std::string& name, const std::vector<PicklePtr>& arguments);  // false: none of NumPy's
  void build_numpy(PickleValue& value, const PickleValue& state);
  PicklePtr rebuild_tensor(const std::vector<PicklePtr>& arguments);
  bool step();  // false at STOP
  bool step_container(unsigned char opcode);

  std::string_view bytes_;
  std::string where_;
  std::function<PicklePtr(const PickleValue&)> load_storage_;
  std::size_t at_ = 0;
  std::vector<PicklePtr> values_;  // all that were made: nesting and cycles are taken apart one by one
  std::vector<PicklePtr> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PicklePtr> memo_;
  std::uint64_t steps_ = 0;
};

}  // namespace emotion
