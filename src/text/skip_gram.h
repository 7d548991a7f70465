#pragma once

#include <cstddef>

namespace emotion {

/// Numbers a row is padded to, so that vector loops have no remainder.
inline std::size_t padded_width(int dimension) { return (static_cast<std::size_t>(dimension) + 15) / 16 * 16; }

/// One pair of skip-gram with negative sampling (Mikolov et al., 2013, Eq 4): with f = sigmoid(input . output) and
/// g = alpha (label - f), gradient += g output and output += g input. `width` is a padded_width().
void skip_gram_update(const float* input, float* output, float* gradient, std::size_t width, float label, float alpha);

/// to += from
void add_to(float* to, const float* from, std::size_t width);

}  // namespace emotion
