#pragma once

#include <string>
#include <string_view>

#include "emotion/io/utf8.h"
#include "emotion/text/word_vectors.h"

namespace emotion {

/// A word's entry in a map from words: by its spelling or as it would stand in a file of word vectors (word_form()), else by
/// those of its small letters. The map's end() if there is none.
template <class Rows>
typename Rows::const_iterator find_word(const Rows& rows, std::string_view word) {
  for (const bool lower : {false, true}) {
    const std::string form = lower ? small_letters(word) : std::string(word);
    if (const auto found = rows.find(form); found != rows.end()) return found;
    if (const auto found = rows.find(word_form(form)); found != rows.end()) return found;
  }
  return rows.end();
}

}  // namespace emotion
