#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
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

/// Skip-gram with negative sampling (Mikolov et al., 2013).
struct Word2VecOptions {
  int dimension = 300;
  int window = 5;    ///< words each side; a keyword list has no order, so a window of the list's length is usual: 0 = whole list
  int negative = 5;  ///< noise words a pair
  int epochs = 5;
  int min_count = 5;          ///< rarer words are dropped
  double alpha = 0.025;       ///< first learning rate, falling linearly to min_alpha
  double min_alpha = 0.0001;  ///< no more than alpha
  double subsample = 1e-3;  ///< frequent words are dropped with 1 - sqrt(t/f) - t/f as in the reference implementation; 0 = never
  int threads = 0;          ///< 0 = one per core; with 1 the same seed gives the same bits
  std::uint64_t seed = 1;
  /// Where an unfinished training is kept, at most every `save_seconds`; a training with the same words, lists and options goes
  /// on there. It stays until whoever asked has the result on the disk, and removes it. Empty: nothing is kept.
  std::filesystem::path state;
  double save_seconds = 60;
};

/// The processes that train word vectors together; one by default.
struct Word2VecPeers {
  int rank = 0, size = 1;
  std::function<void(std::span<float>)> sum;  ///< over the processes, in place
  std::function<bool(bool)> any;              ///< whether one of them says yes
};

/// Trains on lists of word ids (`words[id]` names them); reports through log lines. Rows are ordered by falling frequency.
///
/// Words of one word_form(), which would be the same in a file, are one word: their counts are added, and the vectors have the
/// form. A word of white space alone is none.
///
/// Of several processes, which all give the same words and lists, rank r of w trains on lists r, r + w, .. Several times an epoch
/// their vectors become one, in all of them: to each row is added the mean of what it moved by in the processes that moved it.
/// @throws DataError if no word is frequent enough, Interrupted, RunError (disk; vectors that are no longer finite numbers)
WordVectors train_word2vec(const std::vector<std::string>& words, const std::vector<std::vector<std::uint32_t>>& lists,
                           const Word2VecOptions& options, const Word2VecPeers& peers = {});

}  // namespace emotion
