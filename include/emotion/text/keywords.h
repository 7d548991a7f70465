#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/text/vocabulary.h"
#include "emotion/text/word_vectors.h"

namespace emotion {

/// Words in any of the forms by which vocabularies and word vectors find them: `hot_air` and `Hot air` are one here.
class WordSet {
 public:
  explicit WordSet(const std::vector<std::string>& words);
  bool contains(std::string_view word) const;

 private:
  std::unordered_set<std::string> forms_;
};

/// A split's keywords as a TextCNN reads them: without the words that would tell it the answer, the names of its classes as a
/// rule.
class KeywordEncoder {
 public:
  /// excluded: the words that are not read, as a WordSet has them. The manifest must outlive the encoder.
  KeywordEncoder(const Manifest& manifest, const Vocabulary& vocabulary, const std::vector<std::string>& excluded,
                 int max_keywords);

  int max_keywords() const { return max_keywords_; }
  /// Writes max_keywords ids: the distinct keywords that are read, in the line's order (row of the vocabulary, V where unknown),
  /// then V + 1. Gives how many words there were, at most max_keywords.
  int encode(std::size_t sample, std::int64_t* ids) const;
  /// The sample has a keyword that is read, known or not.
  bool reads_any(std::size_t sample) const;

 private:
  static constexpr std::int64_t kExcluded = -1;
  const Manifest* manifest_;
  int max_keywords_;
  std::int64_t unknown_;
  std::vector<std::int64_t> row_of_word_;  // by the manifest's word id
};

/// Mean word vectors of a split's samples: the text side of the joint embedding, Eq 3.
class KeywordVectors {
 public:
  /// Reads the vectors of the split's words. The manifest must outlive this.
  KeywordVectors(const Manifest& manifest, const WordVectors& vectors);

  int dimension() const { return dimension_; }
  /// Fraction of the split's distinct words that have a vector.
  double coverage() const;
  /// Writes the mean vector of the sample's distinct keywords, those without a vector skipped; zeros and false if none has one.
  bool mean(std::size_t sample, float* out) const;

 private:
  const Manifest* manifest_;
  int dimension_;
  std::vector<std::int32_t> row_of_word_;  // by the manifest's word id; -1 = no vector
  std::vector<float> rows_;
};

/// The words of a split but those `excluded`, as a WordSet has them, most frequent first (equal counts in alphabetical order).
Vocabulary collect_vocabulary(const Manifest& manifest, const std::vector<std::string>& excluded);

}  // namespace emotion
