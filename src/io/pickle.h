#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "pickle_machine.h"

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
  std::vector<PicklePtr> items;                         // kTuple, kList; kStorage: what it is a view of, if it is one
  std::int64_t begin = 0;                               // kStorage that is a view: its first element there
  std::vector<std::pair<PicklePtr, PicklePtr>> fields;  // kDict
  at::Tensor tensor;                                    // kTensor, and a storage's data once it is read (kStorage, 1-d)
  at::ScalarType type = at::kFloat;                     // kStorage
};

/// Reads a pickle (protocol 2 to 5) that can build plain values and tensors and nothing else: callables outside a short list are
/// refused, none is ever called.
class Unpickler : private PickleMachine<PicklePtr> {
 public:
  /// `where` is for errors. `load_storage` resolves persistent ids: tuples (as in torch.save) -> kStorage.
  Unpickler(std::string_view bytes, std::string where, std::function<PicklePtr(const PickleValue&)> load_storage);
  /// The values of load() are emptied: they live as long as the unpickler.
  ~Unpickler() override;
  /// One pickle; position() is then behind it. @throws WeightsError
  PicklePtr load() { return run(); }
  using PickleMachine::position;

 private:
  PicklePtr none() override { return make(PickleValue::Kind::kNone); }
  PicklePtr boolean(bool value) override { return make_int(PickleValue::Kind::kBool, value); }
  PicklePtr integer(std::int64_t value) override { return make_int(PickleValue::Kind::kInt, value); }
  PicklePtr wide_integer(std::uint64_t size) override;
  PicklePtr real(double value) override;
  PicklePtr text(std::string_view value) override { return make_text(PickleValue::Kind::kText, std::string(value)); }
  PicklePtr bytes(std::string_view value) override { return make_text(PickleValue::Kind::kBytes, std::string(value)); }
  PicklePtr container(Container kind, std::vector<PicklePtr> items) override;
  void append(const PicklePtr& list, std::vector<PicklePtr> items) override;
  void set_items(const PicklePtr& dict, std::vector<PicklePtr> items) override;
  std::string_view name_of(const PicklePtr& value) override;
  PicklePtr global(std::string_view module, std::string_view name) override;
  PicklePtr call(const PicklePtr& callable, const PicklePtr& arguments) override;
  void build(const PicklePtr& object, const PicklePtr& state) override;
  PicklePtr persistent(const PicklePtr& id) override { return load_storage_(*id); }
  void fail(const std::string& what) const override;

  PicklePtr make(PickleValue::Kind kind);
  PicklePtr make_int(PickleValue::Kind kind, std::int64_t value);
  PicklePtr make_text(PickleValue::Kind kind, std::string text);
  PicklePtr rebuild_tensor(const std::vector<PicklePtr>& arguments);
  PicklePtr call_numpy(const std::string& name, const std::vector<PicklePtr>& arguments);  // nullptr: none of NumPy's
  void build_numpy(PickleValue& value, const PickleValue& state);

  std::string where_;
  std::function<PicklePtr(const PickleValue&)> load_storage_;
  std::vector<PicklePtr> values_;  // all that were made: nesting and cycles are taken apart one by one
};

}  // namespace emotion
