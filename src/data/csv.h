#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// A CSV file as RFC 4180 has it (quotes, doubled quotes, line ends within quotes), with a header; tabs where the header has one.
struct CsvTable {
  struct Row {
    std::uint64_t line;  ///< where it begins
    std::vector<std::string> fields;
  };
  std::filesystem::path file;
  std::vector<std::string> header;
  std::vector<Row> rows;

  /// @throws DataError with file:line for a row of another width or an open quote
  static CsvTable read(const std::filesystem::path& file);
  /// @throws DataError with the nearest column
  std::size_t column(const std::string& name) const;
};

}  // namespace emotion
