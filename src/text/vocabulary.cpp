#include "emotion/text/vocabulary.h"

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/text/word_vectors.h"

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
  std::unordered_map<std::string, std::size_t> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (!word.empty() && word.back() == '\r') word.pop_back();
    if (word.empty())
      throw DataError(fmt::format("{}:{}: an empty line; one word a line is wanted", file.string(), words.size() + 1));
    const auto [first, added] = lines.emplace(word, words.size() + 1);
    if (!added)
      throw DataError(fmt::format("{}:{}: '{}' stands in line {} as well", file.string(), words.size() + 1, word, first->second));
    words.push_back(std::move(word));
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
  for (const bool lower : {false, true}) {
    const std::string form = lower ? small_letters(word) : std::string(word);
    if (const auto found = rows_.find(form); found != rows_.end()) return found->second;
    if (const auto found = rows_.find(word_form(form)); found != rows_.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace emotion
