#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/text/keywords.h"

namespace emotion {

/// What a TextCNN reads of samples, int64 [n, max_keywords].
at::Tensor textcnn_input(const KeywordEncoder& encoder, std::span<const std::uint64_t> samples);

/// The same of word lists, int64 [lists, max_keywords]. A word is its row of the vocabulary, or V = `vocabulary` where it is not
/// known; a longer list is cut, a shorter one padded with V + 1.
at::Tensor textcnn_input(const std::vector<std::vector<std::int64_t>>& lists, std::size_t vocabulary, int max_keywords);

/// @throws DataError at the place of the first sample of which the TextCNN has nothing to read
void check_keywords(const KeywordEncoder& encoder, const Manifest& manifest);

}  // namespace emotion
