#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emotion {

/// Words and their row numbers.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// @throws DataError for an empty or duplicate word
  explicit Vocabulary(std::vector<std::string> words);
  /// One word a line, line number - 1 = row. @throws DataError with file:line
  static Vocabulary read(const std::filesystem::path& file);
  void write(const std::filesystem::path& file) const;
  std::size_t size() const { return words_.size(); }
  const std::vector<std::string>& words() const { return words_; }
  /// A word as it stands, else in its word_form(), which emotion_text's vocabularies have; if neither is there, the same in small
  /// letters, as WordVectors::find().
  std::optional<std::uint32_t> find(std::string_view word) const;

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string_view, std::uint32_t> rows_;  // views into words_; hence no copies below
 public:
  Vocabulary(Vocabulary&&) noexcept = default;
  Vocabulary& operator=(Vocabulary&&) noexcept = default;
  Vocabulary(const Vocabulary& other) : Vocabulary(other.words_) {}
  Vocabulary& operator=(const Vocabulary& other) { return *this = Vocabulary(other); }
};

}  // namespace emotion
