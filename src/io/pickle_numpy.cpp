// NumPy's arrays within a pickle: _reconstruct(ndarray, ..) makes an empty one, BUILD gives it (version, shape, dtype, Fortran's
// order, bytes). Weights converted from Caffe are kept so. Arrays of objects stay opaque.
#include <algorithm>
#include <cstring>
#include <optional>

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "pickle.h"

namespace emotion {
namespace {

using Kind = PickleValue::Kind;

std::optional<at::ScalarType> scalar_type(const std::string& code) {
  static const std::map<std::string, at::ScalarType> types{{"f2", at::kHalf}, {"f4", at::kFloat}, {"f8", at::kDouble},
                                                           {"i1", at::kChar}, {"i2", at::kShort}, {"i4", at::kInt},
                                                           {"i8", at::kLong}, {"u1", at::kByte},  {"b1", at::kBool}};
  const auto found = types.find(code);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

bool Unpickler::reduce_numpy(const std::string& name, const std::vector<PicklePtr>& arguments) {
  if (name == "_codecs.encode" && !arguments.empty() && arguments[0]->kind == Kind::kText) {
    // Bytes as protocol 2 has them: text whose letters are the bytes, here in UTF-8.
    std::string bytes;
    const std::string& text = arguments[0]->text;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto first = static_cast<unsigned char>(text[i]);
      if (first < 0x80) {
        bytes.push_back(text[i]);
      } else if ((first == 0xc2 || first == 0xc3) && i + 1 < text.size()) {
        bytes.push_back(static_cast<char>((first & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f)));
      } else {
        refuse("broken: bytes written as text hold a letter that is none");
      }
    }
    push_text(Kind::kBytes, std::move(bytes));
    return true;
  }
  const bool dtype = name == "numpy.dtype" && !arguments.empty() && arguments[0]->kind == Kind::kText;
  if (!dtype && !name.ends_with("multiarray._reconstruct")) return false;
  push_text(Kind::kOpaque, dtype ? "<" + arguments[0]->text : "ndarray");
  return true;
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
  const auto type = scalar_type(code.size() > 1 ? code.substr(1) : "");
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
  const PicklePtr storage = make(Kind::kStorage), strides = make(Kind::kTuple), shape = make(Kind::kTuple);
  storage->number = count;
  storage->type = *type;
  storage->tensor = at::empty({count}, *type);
  if (count > 0) std::memcpy(storage->tensor.data_ptr(), bytes.data(), bytes.size());
  if (code[0] == '>') {
    char* p = static_cast<char*>(storage->tensor.data_ptr());
    for (std::int64_t i = 0; i < count; ++i) std::reverse(p + i * size, p + (i + 1) * size);
  }
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
