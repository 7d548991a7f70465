#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emotion {

/// A word as a file of word vectors holds it: white space (ASCII's) ends a word there, so that within the word each stretch of it
/// is one underscore, as in Google's phrases, and none is left at its ends. Upper and lower case stay as they are.
std::string word_form(std::string_view word);

/// Word vectors: a file in Google's word2vec form (.bin memory-mapped: only rows that are asked for are read; .txt), or in
/// memory. Either form may be packed by gzip: it is unpacked into a temporary file then. Text may lack its first line (GloVe's
/// does): a row is then as many numbers as most of the first hundred rows have, and the word before them, blanks in it and all.
///
/// A keyword is looked up as it stands, then in its word_form(); if neither is there, the same lower-cased.
class WordVectors {
 public:
  /// Told apart by content. @throws DataError naming the file and offset or line: bad header, truncated, sizes that do not fit
  static WordVectors open(const std::filesystem::path& file);
  /// `values` is [words.size(), dimension]. @throws DataError on a size that does not fit
  static WordVectors from_memory(std::vector<std::string> words, std::vector<float> values, int dimension);

  std::size_t size() const;
  int dimension() const;
  std::string_view word(std::size_t row) const;
  std::optional<std::size_t> find(std::string_view word) const;
  /// Copies row `row` into `out` (dimension floats).
  void copy(std::size_t row, std::span<float> out) const;
  /// The k words of highest cosine to `query`, best first, without rows in `exclude`; row and cosine. A word that stands more
  /// than once counts once, with its first vector.
  std::vector<std::pair<std::size_t, float>> nearest(std::span<const float> query, std::size_t k,
                                                     std::span<const std::size_t> exclude = {}) const;
  /// Both forms of file have the words in their word_form().
  void write_binary(const std::filesystem::path& file) const;
  void write_text(const std::filesystem::path& file) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace emotion
