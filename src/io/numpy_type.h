#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace emotion {

/// NumPy's name of a type without byte order (`f4`) as LibTorch's; nothing for what tensors do not hold.
inline std::optional<at::ScalarType> numpy_scalar_type(std::string_view code) {
  static const std::map<std::string_view, at::ScalarType> types{{"f2", at::kHalf}, {"f4", at::kFloat}, {"f8", at::kDouble},
                                                                {"i1", at::kChar}, {"i2", at::kShort}, {"i4", at::kInt},
                                                                {"i8", at::kLong}, {"u1", at::kByte},  {"b1", at::kBool}};
  const auto found = types.find(code);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

/// Reverses the bytes of each item: big-endian to little-endian.
inline void swap_items(char* items, std::uint64_t count, std::uint64_t width) {
  for (std::uint64_t i = 0; i < count; ++i) std::reverse(items + i * width, items + (i + 1) * width);
}

}  // namespace emotion
