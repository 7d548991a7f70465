#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace emotion {

/// Numbers a row is padded to, so that vector loops have no remainder.
inline std::size_t padded_width(int dimension) { return (static_cast<std::size_t>(dimension) + 15) / 16 * 16; }

inline constexpr std::size_t kTileInputs = 4, kTileOutputs = 6;

/// How many of the targets, from the first on, make up one tile: of a word that noise draws twice, one update would be lost.
std::size_t targets_of_a_tile(std::span<float* const> targets);

/// Some context words against some target words, all with all, no target twice. Rows that are not needed point to a row of zeros
/// of their own.
struct SkipGramTile {
  std::array<float*, kTileInputs> inputs;    ///< input vectors of the contexts
  std::array<float*, kTileOutputs> outputs;  ///< output vectors of the targets
  std::size_t input_count, output_count;     ///< those that are not padding
  bool first_is_positive;                    ///< outputs[0] belongs to the word that stands there; all others are noise
};

/// Skip-gram with negative sampling (Mikolov et al., 2013, Eq 4) for every pair of the tile at once: f = sigmoid(input . output)
/// and g = alpha (label - f) of the vectors as they are, then input += sum of g output over the outputs, output += sum of g input
/// over the inputs. As matrices instead of pair by pair, each row is read once (Ji et al., Parallelizing Word2Vec in Shared and
/// Distributed Memory, 2016). `width` is a padded_width().
void skip_gram_update(const SkipGramTile& tile, std::size_t width, float alpha);

}  // namespace emotion
