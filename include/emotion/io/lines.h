#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace emotion {

/// A line of a text.
struct NumberedLine {
  std::string_view text;     ///< without what ends it
  std::uint64_t number = 1;  ///< from 1
};

/// The lines of a text: `for (const auto [line, number] : Lines(text))`. The text must outlive them.
///
/// A line ends in LF or CR LF; the last one may end with the text instead, and a CR at its end is taken off as well. Empty lines
/// are lines; there is none after a LF that ends the text. A CR elsewhere is part of its line.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  class Iterator {
   public:
    explicit Iterator(std::string_view text) : rest_(text) { find_end(); }
    NumberedLine operator*() const {
      std::string_view line = rest_.substr(0, length_);
      if (line.ends_with('\r')) line.remove_suffix(1);
      return {line, number_};
    }
    Iterator& operator++() {
      rest_.remove_prefix(std::min(length_ + 1, rest_.size()));
      ++number_;
      find_end();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return rest_.empty(); }

   private:
    void find_end() { length_ = std::min(rest_.find('\n'), rest_.size()); }

    std::string_view rest_;   // from the line's beginning
    std::size_t length_ = 0;  // of the line, without LF
    std::uint64_t number_ = 1;
  };

  Iterator begin() const { return Iterator(text_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::string_view text_;
};

}  // namespace emotion
