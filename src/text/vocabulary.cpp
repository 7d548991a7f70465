#include "emotion/text/vocabulary.h"

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "find_word.h"

namespace emotion {

Vocabulary::Vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
  rows_.reserve(words_.size());
  for (std::size_t row = 0; row < words_.size(); ++row) {
    if (words_[row].empty()) throw DataError(fmt::format("vocabulary: word {} is empty", row));
    const auto [first, added] = rows_.emplace(words_[row], static_cast<std::uint32_t>(row));
    if (!added)
      throw DataError(fmt::format("vocabulary: '{}' stands twice, as words {} and {}", words_[row], first->second, row));
  }
}

Vocabulary Vocabulary::read(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<std::string> words;
  std::unordered_map<std::string, std::uint64_t> lines;
  for (const auto [word, line] : Lines(text)) {
    check_utf8_line(word, file, line);
    if (word.empty()) throw DataError(fmt::format("{}:{}: an empty line; one word a line is wanted", file.string(), line));
    const auto [first, added] = lines.emplace(word, line);
    if (!added) throw DataError(fmt::format("{}:{}: '{}' stands in line {} as well", file.string(), line, word, first->second));
    words.emplace_back(word);
  }
  if (words.empty()) throw DataError(file.string() + ": the vocabulary is empty");
  return Vocabulary(std::move(words));
}

void Vocabulary::write(const std::filesystem::path& file) const {
  std::string text;
  for (const auto& word : words_) text += word + "\n";
  write_file_atomically(file, text);
}

std::optional<std::uint32_t> Vocabulary::find(std::string_view word) const {
  const auto found = find_word(rows_, word);
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace emotion
