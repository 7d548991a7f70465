#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "emotion/text/word_vectors.h"

namespace emotion {

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
/// their vectors become one: to each row is added the mean of what it moved by in the processes that moved it. All get the
/// result.
/// @throws DataError if no word is frequent enough, Interrupted, RunError (disk; vectors that are no longer finite numbers)
WordVectors train_word2vec(const std::vector<std::string>& words, const std::vector<std::vector<std::uint32_t>>& lists,
                           const Word2VecOptions& options, const Word2VecPeers& peers = {});

}  // namespace emotion
