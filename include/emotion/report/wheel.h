#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emotion {

/// Probabilities as sectors of a wheel, inline SVG: a sector's area is its probability, warm colours are positive emotions, cold
/// ones negative. Mikels' eight stand in the order of their wheel, other classes positive first. For 3 to 12 classes; more or
/// fewer become bars.
///
/// `polarity`: 1 or -1 of each class, or empty.
std::string svg_wheel(const std::vector<std::string>& classes, const std::vector<double>& probabilities,
                      const std::vector<std::int8_t>& polarity);

}  // namespace emotion
