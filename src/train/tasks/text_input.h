#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/text/keywords.h"

namespace emotion {

/// int64 [n, max_keywords]: the TextCNN's input for samples.
at::Tensor encode_keywords(const KeywordEncoder& encoder, const std::vector<std::uint64_t>& samples);

/// @throws DataError at the place of the first sample without a non-emotion keyword
void check_keywords(const KeywordEncoder& encoder, const Manifest& manifest);

}  // namespace emotion
