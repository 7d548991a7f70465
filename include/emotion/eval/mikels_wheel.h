#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emotion {

/// Where the eight emotions of Mikels et al. (2005) stand among `classes`, in the order of the wheel as Stimuli-aware VEA lists
/// it (TIP 2021, Sec III-C): excitement, amusement, contentment, awe; sadness, fear, disgust, anger. Empty unless the classes are
/// these eight, in any order; `sad` is sadness, capitals do not matter.
std::vector<std::size_t> mikels_order(const std::vector<std::string>& classes);

/// Polarity of the eight in the order of `classes`: 1 for the first four of the wheel, -1 for the others. Empty as above.
std::vector<std::int8_t> mikels_polarity(const std::vector<std::string>& classes);

}  // namespace emotion
