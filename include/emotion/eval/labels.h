#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// What is right for each sample of a split, as ids into `classes`; `spec` is data.targets of the network that has them.
/// @throws DataError naming both lists if the data set has classes that are not among `classes`; at a sample without any
std::vector<std::vector<std::uint32_t>> true_labels(const Manifest& manifest, const std::vector<std::string>& classes,
                                                    const std::string& spec);

/// The same as far as the data say it: none for a sample without any, or with classes that the network does not have.
std::vector<std::vector<std::uint32_t>> known_labels(const Manifest& manifest, const std::vector<std::string>& classes,
                                                     const std::string& spec);

/// Some sample has more than one.
bool several_labels(const std::vector<std::vector<std::uint32_t>>& labels);

}  // namespace emotion
