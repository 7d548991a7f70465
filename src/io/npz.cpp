#include "emotion/io/npz.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/npy.h"
#include "numpy_type.h"
#include "zip.h"

namespace emotion {

at::Tensor parse_npy(std::string_view bytes, const std::string& where) {
  static_assert(std::endian::native == std::endian::little);
  const NpyArray npy = NpyArray::parse(bytes, where);
  const auto type = npy.is_plain() ? numpy_scalar_type(fmt::format("{}{}", npy.kind, npy.width)) : std::nullopt;
  if (!type) return {};
  if (type == at::kBool && std::any_of(npy.data.begin(), npy.data.end(), [](char c) { return (c & ~1) != 0; }))
    throw DataError(where + ": a truth value is neither 0 nor 1");
  std::vector<std::int64_t> shape = npy.shape;
  if (npy.fortran) std::reverse(shape.begin(), shape.end());
  at::Tensor array = at::empty(shape, *type);
  if (!npy.data.empty()) std::memcpy(array.data_ptr(), npy.data.data(), npy.data.size());
  if (npy.swapped) swap_items(static_cast<char*>(array.data_ptr()), npy.count, npy.width);
  if (!npy.fortran) return array;
  std::vector<std::int64_t> order(shape.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(order.size() - 1 - i);
  return array.permute(order).contiguous();
}

NpzFile NpzFile::read(const std::filesystem::path& file) {
  const std::string where = file.string();
  const MappedFile mapped(file);
  const ZipArchive archive(mapped.text(), where);
  NpzFile npz;
  for (const ZipMember& member : archive.members()) {
    std::string name = member.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const at::Tensor array = parse_npy(archive.unpack(member), where + ": " + name);
    if (array.defined()) {
      npz.arrays[name] = array;
    } else {
      npz.left_out.push_back(name);
    }
  }
  return npz;
}

}  // namespace emotion
