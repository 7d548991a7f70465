// NumPy's arrays within a pickle: _reconstruct(ndarray, ..) makes an empty one, BUILD gives it (version, shape, dtype, Fortran's
// order, bytes). Weights converted from Caffe are kept so. Arrays of objects stay opaque.
#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "latin1.h"
#include "numpy_type.h"
#include "pickle.h"

namespace emotion {
namespace {

using Kind = PickleValue::Kind;

}  // namespace

PicklePtr Unpickler::call_numpy(const std::string& name, const std::vector<PicklePtr>& arguments) {
  if (name == "_codecs.encode" && !arguments.empty() && arguments[0]->kind == Kind::kText) {
    count_copied(arguments[0]->text.size());
    auto bytes = latin1_bytes(arguments[0]->text);
    if (!bytes) refuse("broken: bytes that are not written as latin1");
    return make_text(Kind::kBytes, std::move(*bytes));
  }
  if (name == "numpy.dtype" && !arguments.empty() && arguments[0]->kind == Kind::kText)
    return make_text(Kind::kOpaque, "<" + arguments[0]->text.substr(0, 20));
  return name.ends_with("multiarray._reconstruct") ? make_text(Kind::kOpaque, "ndarray") : nullptr;
}

void Unpickler::build_numpy(PickleValue& value, const PickleValue& state) {
  const auto& parts = state.items;
  if (value.text != "ndarray") {  // a dtype: (version, byte order, ..)
    if (state.kind == Kind::kTuple && parts.size() > 1 && parts[1]->kind == Kind::kText && parts[1]->text == ">")
      value.text[0] = '>';
    return;
  }
  const bool shaped =
      state.kind == Kind::kTuple && parts.size() == 5 && parts[1]->kind == Kind::kTuple && parts[2]->kind == Kind::kOpaque;
  if (!shaped) refuse("broken: an array is not made of shape, dtype, order and bytes");
  if (parts[4]->kind != Kind::kBytes && parts[4]->kind != Kind::kText) return;  // objects
  const std::string& code = parts[2]->text;
  const auto type = numpy_scalar_type(code.size() > 1 ? std::string_view(code).substr(1) : "");
  if (!type) return;
  std::int64_t count = 1;
  for (const auto& side : parts[1]->items) {
    if (side->kind != Kind::kInt || side->number < 0 || __builtin_mul_overflow(count, side->number, &count))
      refuse("an array's shape is absurd");
  }
  const std::string& bytes = parts[4]->text;
  const auto size = static_cast<std::int64_t>(at::elementSize(*type));
  if (count > static_cast<std::int64_t>(bytes.size()) || count * size != static_cast<std::int64_t>(bytes.size()))
    refuse(fmt::format("an array has {} bytes for {} numbers of {} bytes", bytes.size(), count, size));
  count_copied(bytes.size());
  const PicklePtr storage = make(Kind::kStorage), strides = make(Kind::kTuple), shape = make(Kind::kTuple);
  storage->number = count;
  storage->type = *type;
  storage->tensor = at::empty({count}, *type);
  if (count > 0) std::memcpy(storage->tensor.data_ptr(), bytes.data(), bytes.size());
  if (code[0] == '>')
    swap_items(static_cast<char*>(storage->tensor.data_ptr()), static_cast<std::uint64_t>(count),
               static_cast<std::uint64_t>(size));
  const std::size_t sides = parts[1]->items.size();
  strides->items.resize(sides);
  const bool fortran = parts[3]->number != 0;
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < sides; ++i) {
    const std::size_t side = fortran ? i : sides - 1 - i;
    strides->items[side] = make(Kind::kInt);
    strides->items[side]->number = stride;
    stride *= std::max<std::int64_t>(parts[1]->items[side]->number, 1);
  }
  shape->items = {storage, parts[1], strides};
  value.kind = Kind::kTensor;
  value.type = *type;
  value.text.clear();
  value.items = {shape};
}

}  // namespace emotion
