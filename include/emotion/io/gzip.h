#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>

namespace emotion {

/// Writes what a .gz file holds to `out`, piece by piece; the caller looks whether `out` took it.
/// @throws DataError naming the file: it cannot be read, is damaged or truncated, or unpacks to more than `most` bytes
void unpack_gzip(const std::filesystem::path& file, std::ostream& out, std::uint64_t most);

}  // namespace emotion
