#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// Rows of a table as RFC 4180 has it (quotes, doubled quotes, line ends within quotes), one at a time. Lines end in LF, CRLF or
/// a bare CR; a byte order mark and empty lines are ignored.
class CsvReader {
 public:
  struct Row {
    std::uint64_t line;  ///< where it begins, from 1
    std::vector<std::string> fields;
  };
  /// `text` must outlive the reader; `file` is for errors.
  CsvReader(std::string_view text, std::filesystem::path file, char comma = ',', char quote = '"');
  /// False at the end. @throws DataError with file:line for an open quote
  bool next(Row& row);

 private:
  void read_row(Row& row);

  std::string_view text_;
  std::filesystem::path file_;
  char comma_, quote_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

/// A whole table with a header.
struct CsvTable {
  using Row = CsvReader::Row;
  std::filesystem::path file;
  std::vector<std::string> header;
  std::vector<Row> rows;

  /// Fields are parted by what finds most of the `wanted` columns in the header, and of equals most columns: comma, tab or
  /// semicolon; where no column is wanted, by tabs if the header has one, else commas.
  /// @throws DataError with file:line for a row of another width or an open quote
  static CsvTable read(const std::filesystem::path& file, char quote = '"', const std::vector<std::string>& wanted = {});
  /// @throws DataError with the nearest column
  std::size_t column(const std::string& name) const;
};

/// The place of `name` in a header, blanks around names and case aside. @throws DataError listing the columns of `file`
std::size_t csv_column(const std::vector<std::string>& header, std::string_view name, const std::filesystem::path& file);

}  // namespace emotion
