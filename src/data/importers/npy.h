#pragma once

#include <filesystem>
#include <vector>

namespace emotion {

/// The numbers of a small .npy file of no or one dimension: integers, floats, or text that spells numbers (`<U5`, `|S2`).
/// Sizes are checked against the file before anything is read. @throws DataError naming the file
std::vector<double> read_npy(const std::filesystem::path& file);

}  // namespace emotion
