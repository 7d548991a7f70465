#include "npy.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/npy.h"
#include "files.h"

namespace emotion {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;  // 136 landmarks of 64 UCS-4 characters take 35 KB

/// An array of a few numbers, or of numbers as text.
NpyArray parse(std::string_view bytes, const std::string& where) {
  const NpyArray array = NpyArray::parse(bytes, where);
  const bool words = (array.kind == 'U' || array.kind == 'S') && array.width > 0 && array.width <= 4096;
  const bool number = array.kind != 'U' && array.kind != 'S' && (array.kind != 'f' || array.width >= 4);
  if (!array.is_plain() || array.swapped || (!words && !number))
    throw DataError(
        fmt::format("{}: items of type {}{}{} are not read", where, array.swapped ? ">" : "", array.kind, array.width));
  return array;
}

template <class T>
double as_double(const char* data) {
  T value{};
  std::memcpy(&value, data, sizeof value);
  return static_cast<double>(value);
}

double number_at(const NpyArray& array, const char* data) {
  const bool is_signed = array.kind == 'i';
  if (array.kind == 'f') return array.width == 4 ? as_double<float>(data) : as_double<double>(data);
  switch (array.width) {
    case 1: return is_signed ? as_double<std::int8_t>(data) : as_double<std::uint8_t>(data);
    case 2: return is_signed ? as_double<std::int16_t>(data) : as_double<std::uint16_t>(data);
    case 4: return is_signed ? as_double<std::int32_t>(data) : as_double<std::uint32_t>(data);
    default: return is_signed ? as_double<std::int64_t>(data) : as_double<std::uint64_t>(data);
  }
}

double word_at(const NpyArray& array, const char* data, const std::string& where) {
  std::string text;
  const std::size_t step = array.kind == 'U' ? 4 : 1;
  for (std::size_t i = 0; i < array.width && data[i] != '\0'; i += step) {
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
  const NpyArray array = parse(bytes, file.string());
  std::vector<double> numbers;
  for (std::uint64_t i = 0; i < array.count; ++i) {
    const char* data = array.data.data() + i * array.width;
    numbers.push_back(array.kind == 'U' || array.kind == 'S' ? word_at(array, data, file.string()) : number_at(array, data));
  }
  return numbers;
}

}  // namespace emotion
