#include "emotion/io/utf8.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

/// Bytes of the character that the text begins with; 0 where that is none.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f, beyond = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || beyond ? 0 : size;
}

/// Small letters that follow no rule: Ÿ, and Greek ones.
constexpr std::pair<unsigned, unsigned> kSingle[] = {{0x178, 0xff},  {0x37f, 0x3f3}, {0x386, 0x3ac}, {0x38c, 0x3cc},
                                                     {0x38e, 0x3cd}, {0x38f, 0x3ce}, {0x3cf, 0x3d7}, {0x3f4, 0x3b8},
                                                     {0x3f7, 0x3f8}, {0x3f9, 0x3f2}, {0x3fa, 0x3fb}, {0x4c0, 0x4cf}};

/// A range of code points `step` apart, the first a capital letter, and how far off its small ones are.
struct Capitals {
  unsigned first, last, step;
  int distance;
};
constexpr Capitals kCapitals[] = {
    // Latin without the Turkish İ, and Romanian letters of Extended-B
    {0xc0, 0xd6, 1, 32},
    {0xd8, 0xde, 1, 32},
    {0x100, 0x12e, 2, 1},
    {0x132, 0x136, 2, 1},
    {0x139, 0x147, 2, 1},
    {0x14a, 0x176, 2, 1},
    {0x179, 0x17d, 2, 1},
    {0x200, 0x21e, 2, 1},
    // Greek
    {0x370, 0x372, 2, 1},
    {0x376, 0x376, 1, 1},
    {0x388, 0x38a, 1, 37},
    {0x391, 0x3a1, 1, 32},
    {0x3a3, 0x3ab, 1, 32},
    {0x3d8, 0x3ee, 2, 1},
    {0x3fd, 0x3ff, 1, -130},
    // Cyrillic
    {0x400, 0x40f, 1, 80},
    {0x410, 0x42f, 1, 32},
    {0x460, 0x480, 2, 1},
    {0x48a, 0x4be, 2, 1},
    {0x4c1, 0x4cd, 2, 1},
    {0x4d0, 0x52e, 2, 1}};

unsigned small_letter(unsigned code) {
  for (const auto& [capital, small] : kSingle) {
    if (code == capital) return small;
  }
  for (const Capitals& range : kCapitals) {
    if (code >= range.first && code <= range.last && (code - range.first) % range.step == 0)
      return static_cast<unsigned>(static_cast<int>(code) + range.distance);
  }
  return code;
}

/// True if the text begins with a letter, as far as it matters beside a sigma: ASCII's, and nearly all behind it.
bool is_letter(std::string_view text) {
  if (text.empty()) return false;
  const auto first = static_cast<unsigned char>(text[0]);
  return first < 0x80 ? std::isalpha(first) != 0 : first >= 0xc3 && first < 0xe2;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = character(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string shown_utf8(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t size = character(text);
    shown += size > 0 ? std::string(text.substr(0, size)) : fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return shown;
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text;
}

std::string read_text(const std::filesystem::path& file, std::uint64_t limit) {
  std::string text = read_file(file, limit);
  text.erase(0, text.size() - without_byte_order_mark(text).size());
  return text;
}

void check_utf8_line(std::string_view line, const std::filesystem::path& file, std::uint64_t number) {
  if (!is_utf8(line))
    throw DataError(fmt::format("{}:{}: '{}' is not UTF-8; save the file as that", file.string(), number, shown_utf8(line)));
}

void check_utf8_name(std::string_view name) {
  if (!is_utf8(name))
    throw DataError(shown_utf8(name) + ": the name is not UTF-8; rename it (convmv does that for whole folders)");
}

std::string small_letters(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  std::string_view before;  // the last character
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const std::string_view now = rest.substr(0, std::max<std::size_t>(character(rest), 1));
    at += now.size();
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(now[i])); };
    if (now.size() == 1) {
      lower += now[0] >= 'A' && now[0] <= 'Z' ? static_cast<char>(now[0] + 32) : now[0];
    } else if (now.size() == 2) {  // both letters of every pair have two bytes
      unsigned code = small_letter((byte(0) & 0x1f) << 6 | (byte(1) & 0x3f));
      if (now == "Σ" && is_letter(before) && !is_letter(text.substr(at))) code = 0x3c2;
      lower += static_cast<char>(0xc0 | code >> 6);
      lower += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      lower += now;
    }
    before = now;
  }
  return lower;
}

}  // namespace emotion
