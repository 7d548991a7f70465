#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace emotion {

/// UTF-8 text of code points below 256 as bytes, as Python 3 writes bytes in a pickle of protocol 2. Nothing for other text.
inline std::optional<std::string> latin1_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes += text[i];
    } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.size()) {
      bytes += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace emotion
