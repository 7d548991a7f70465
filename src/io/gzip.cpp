#include "emotion/io/gzip.h"

#include <memory>
#include <ostream>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "emotion/error.h"

namespace emotion {

void unpack_gzip(const std::filesystem::path& file, std::ostream& out, std::uint64_t most) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(::gzopen(file.c_str(), "rb"), ::gzclose);
  if (!in) throw DataError(file.string() + ": cannot be read");
  std::vector<char> piece(1 << 20);
  std::uint64_t written = 0;
  while (true) {
    const int got = ::gzread(in.get(), piece.data(), static_cast<unsigned>(piece.size()));
    int status = Z_OK;
    ::gzerror(in.get(), &status);
    if (got < 0 || (status != Z_OK && status != Z_STREAM_END))
      throw DataError(file.string() + ": a damaged .gz file, or truncated");
    written += static_cast<std::uint64_t>(got);
    if (written > most) {
      throw DataError(
          fmt::format("{}: refused: {} bytes unpack to more than {}", file.string(), std::filesystem::file_size(file), most));
    }
    if (got == 0 || !out.write(piece.data(), got)) return;
  }
}

}  // namespace emotion
