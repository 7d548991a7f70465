#include "npy.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"

namespace emotion {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;  // 136 landmarks of 64 UCS-4 characters take 35 KB

struct Header {
  char kind = 0;          // i, u, f, b, U, S
  std::size_t width = 0;  // bytes of an item
  std::size_t count = 1;  // items
  std::string_view data;
};

/// The text behind `'key':` in the header, a Python dictionary.
std::string_view entry(std::string_view header, std::string_view key) {
  const std::string quoted = fmt::format("'{}':", key);
  const std::size_t at = header.find(quoted);
  return at == std::string_view::npos ? std::string_view() : trimmed(header.substr(at + quoted.size()));
}

Header read_header(std::string_view bytes, const std::string& where) {
  const auto refuse = [&](const std::string& what) { return DataError(where + ": " + what); };
  if (bytes.size() < 12 || !bytes.starts_with("\x93NUMPY")) throw refuse("not a .npy file");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const bool wide = byte(6) > 1;  // versions 2 and 3 have a header length of four bytes
  const std::size_t begin = wide ? 12 : 10;
  const std::size_t size = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
  if (size > bytes.size() - begin) throw refuse("truncated within its header");
  const std::string_view text = bytes.substr(begin, size);
  Header header;
  const std::string_view descr = entry(text, "descr");
  if (descr.size() < 4 || descr[0] != '\'') throw refuse("its type is not one of plain numbers or text");
  const std::string_view type = descr.substr(1, descr.find('\'', 1) - 1);
  if (type.size() < 3 || type[0] == '>') throw refuse(fmt::format("type '{}' is not read", type.substr(0, 20)));
  header.kind = type[1];
  std::from_chars(type.data() + 2, type.data() + type.size(), header.width);
  if (header.kind == 'U') header.width *= 4;
  const bool number = std::string_view("iufb").find(header.kind) != std::string_view::npos && header.width <= 8 &&
                      (header.width & (header.width - 1)) == 0 && (header.kind != 'f' || header.width >= 4);
  const bool words = (header.kind == 'U' || header.kind == 'S') && header.width <= 4096;
  if (header.width == 0 || (!number && !words)) throw refuse(fmt::format("type '{}' is not read", type.substr(0, 20)));
  std::string_view shape = entry(text, "shape");
  if (!shape.starts_with("(") || shape.find(')') == std::string_view::npos) throw refuse("its shape is not readable");
  shape = shape.substr(1, shape.find(')') - 1);
  for (const auto& length : pieces(shape, ',')) {
    if (length.empty()) continue;
    std::size_t n = 0;
    const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), n);
    if (error != std::errc{} || n > kMostBytes || header.count > kMostBytes) throw refuse("its shape is not readable, or absurd");
    header.count *= n;
  }
  header.data = bytes.substr(begin + size);
  if (header.count > header.data.size() / header.width || header.count * header.width != header.data.size())
    throw refuse(fmt::format("{} bytes of data for {} items of {}", header.data.size(), header.count, header.width));
  return header;
}

template <class T>
double as_double(const char* data) {
  T value{};
  std::memcpy(&value, data, sizeof value);
  return static_cast<double>(value);
}

double number_at(const Header& header, const char* data) {
  const bool is_signed = header.kind == 'i';
  if (header.kind == 'f') return header.width == 4 ? as_double<float>(data) : as_double<double>(data);
  switch (header.width) {
    case 1: return is_signed ? as_double<std::int8_t>(data) : as_double<std::uint8_t>(data);
    case 2: return is_signed ? as_double<std::int16_t>(data) : as_double<std::uint16_t>(data);
    case 4: return is_signed ? as_double<std::int32_t>(data) : as_double<std::uint32_t>(data);
    default: return is_signed ? as_double<std::int64_t>(data) : as_double<std::uint64_t>(data);
  }
}

double word_at(const Header& header, const char* data, const std::string& where) {
  std::string text;
  const std::size_t step = header.kind == 'U' ? 4 : 1;
  for (std::size_t i = 0; i < header.width && data[i] != '\0'; i += step) {
    if (step == 4 && (data[i + 1] | data[i + 2] | data[i + 3]) != 0) throw DataError(where + ": text that is no number");
    text += data[i];
  }
  const std::string_view word = trimmed(text);
  double value = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || stop != word.data() + word.size())
    throw DataError(fmt::format("{}: '{}' is no number", where, word.substr(0, 40)));
  return value;
}

}  // namespace

std::vector<double> read_npy(const std::filesystem::path& file) {
  const std::string bytes = read_file(file, kMostBytes);
  const Header header = read_header(bytes, file.string());
  std::vector<double> numbers;
  for (std::size_t i = 0; i < header.count; ++i) {
    const char* data = header.data.data() + i * header.width;
    numbers.push_back(header.kind == 'U' || header.kind == 'S' ? word_at(header, data, file.string()) : number_at(header, data));
  }
  return numbers;
}

}  // namespace emotion
