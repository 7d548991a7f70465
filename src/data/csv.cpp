#include "csv.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

/// Reads one row from `at`; `line` counts line ends.
CsvTable::Row read_row(const std::string& text, std::size_t& at, std::uint64_t& line, char comma,
                       const std::filesystem::path& file) {
  CsvTable::Row row{line, {}};
  std::string field;
  bool quoted = false;
  for (;; ++at) {
    if (at == text.size()) {
      if (quoted) throw DataError(fmt::format("{}:{}: a quote is not closed", file.string(), row.line));
      break;
    }
    const char c = text[at];
    if (quoted) {
      if (c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
        field += text[at++];
      } else if (c == '"') {
        quoted = false;
      } else {
        line += c == '\n';
        field += c;
      }
    } else if (c == '"' && field.empty()) {
      quoted = true;
    } else if (c == comma) {
      row.fields.push_back(std::move(field));
      field.clear();
    } else if (c == '\n') {
      ++line;
      ++at;
      break;
    } else if (c != '\r') {
      field += c;
    }
  }
  row.fields.push_back(std::move(field));
  return row;
}

}  // namespace

CsvTable CsvTable::read(const std::filesystem::path& file) {
  std::string text = read_file(file);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // a byte order mark, as spreadsheets write it
  const std::string first_line = text.substr(0, text.find('\n'));
  const char comma = first_line.find('\t') != std::string::npos ? '\t' : ',';
  CsvTable table;
  table.file = file;
  std::size_t at = 0;
  std::uint64_t line = 1;
  if (text.empty()) throw DataError(file.string() + ": the file is empty");
  table.header = read_row(text, at, line, comma, file).fields;
  while (at < text.size()) {
    Row row = read_row(text, at, line, comma, file);
    if (row.fields.size() == 1 && row.fields[0].empty()) continue;  // an empty line
    if (row.fields.size() != table.header.size()) {
      throw DataError(
          fmt::format("{}:{}: {} fields, the header has {}", file.string(), row.line, row.fields.size(), table.header.size()));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::size_t CsvTable::column(const std::string& name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    throw DataError(fmt::format("{}:1: there is no column '{}'; there are {}{}", file.string(), name, fmt::join(header, ", "),
                                did_you_mean(name, header)));
  }
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace emotion
