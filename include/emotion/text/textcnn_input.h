#pragma once

#include <cstdint>
#include <optional>
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

/// The samples of a split of which the TextCNN has a keyword to read; nothing where those are all. `skip`: the others may be left
/// out (data.on_error), which the log tells.
/// @throws DataError at the place of the first of the others; with `skip`, if there is no sample left
std::optional<std::vector<std::uint64_t>> readable_samples(const KeywordEncoder& encoder, const Manifest& manifest, bool skip);

}  // namespace emotion
