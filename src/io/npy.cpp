#include "emotion/io/npy.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "emotion/error.h"

// The header of a .npy file is a Python dictionary with three keys, written as text.

namespace emotion {
namespace {

constexpr std::size_t kMostDimensions = 64;  // NumPy's own limit
constexpr std::uint64_t kMostItems = std::uint64_t{1} << 60;

[[noreturn]] void refuse(const std::string& where, const std::string& what) { throw DataError(where + ": " + what); }

/// What stands behind `'key':`, up to the comma or bracket that ends it.
std::string_view entry(std::string_view header, std::string_view key, const std::string& where) {
  const std::string quoted = fmt::format("'{}':", key);
  const std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) refuse(where, fmt::format("its .npy header has no {}", key));
  std::string_view value = header.substr(at + quoted.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (value.empty()) refuse(where, fmt::format("its .npy header has no {}", key));
  const char* const closing = value[0] == '(' ? ")" : value[0] == '[' ? "]" : ",}";
  const std::size_t end = value.find_first_of(closing);
  return value.substr(0, end);
}

void read_type(std::string_view descr, NpyArray& array) {
  const bool quoted = descr.size() >= 4 && (descr[0] == '\'' || descr[0] == '"');
  const std::string_view type = quoted ? descr.substr(1, descr.find(descr[0], 1) - 1) : std::string_view();
  array.kind = 'V';  // a list of fields
  if (type.size() < 2 || std::string_view("<>|=").find(type[0]) == std::string_view::npos) return;
  array.swapped = type[0] == '>';
  array.kind = type[1];
  std::from_chars(type.data() + 2, type.data() + type.size(), array.width);
  if (array.kind == 'U') array.width = array.width > (1U << 30) ? 0 : 4 * array.width;
}

void read_shape(std::string_view text, const std::string& where, NpyArray& array) {
  const auto broken = [&] { refuse(where, "its .npy header has a broken shape"); };
  if (text.empty() || text[0] != '(') broken();
  array.count = 1;
  bool empty = false;
  for (std::size_t i = 1; i < text.size();) {
    if (text[i] == ' ' || text[i] == ',') {
      ++i;
      continue;
    }
    std::int64_t side = 0;
    const auto [stop, error] = std::from_chars(text.data() + i, text.data() + text.size(), side);
    if (error != std::errc{} || side < 0 || array.shape.size() == kMostDimensions) broken();
    i = static_cast<std::size_t>(stop - text.data());
    array.shape.push_back(side);
    empty = empty || side == 0;
    const auto length = static_cast<std::uint64_t>(std::max<std::int64_t>(side, 1));
    if (length > kMostItems / array.count) refuse(where, "its shape is larger than any file");
    array.count *= length;
  }
  if (empty) array.count = 0;
}

}  // namespace

bool NpyArray::is_plain() const {
  if (kind == 'U' || kind == 'S') return true;
  const bool power_of_two = width != 0 && (width & (width - 1)) == 0;
  return std::string_view("biuf").find(kind) != std::string_view::npos && power_of_two && width <= 8;
}

NpyArray NpyArray::parse(std::string_view bytes, const std::string& where) {
  if (!bytes.starts_with("\x93NUMPY")) refuse(where, "no .npy array");
  if (bytes.size() < 12) refuse(where, "truncated within its .npy header");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const bool wide = byte(6) > 1;  // versions 2 and 3 have a header length of four bytes
  const std::size_t begin = wide ? 12 : 10;
  const std::size_t size = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
  if (size > bytes.size() - begin)
    refuse(where, fmt::format("truncated within its .npy header: {} bytes in a file of {}", size, bytes.size()));
  const std::string_view header = bytes.substr(begin, size);
  NpyArray array;
  read_type(entry(header, "descr", where), array);
  array.fortran = entry(header, "fortran_order", where).starts_with("True");
  read_shape(entry(header, "shape", where), where, array);
  array.data = bytes.substr(begin + size);
  std::uint64_t wanted = 0;
  if (array.is_plain() && (__builtin_mul_overflow(array.count, array.width, &wanted) || wanted != array.data.size())) {
    refuse(where, fmt::format("{} bytes for {} items of {} bytes", array.data.size(), array.count, array.width));
  }
  return array;
}

}  // namespace emotion
