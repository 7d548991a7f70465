#include "csv.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/nearest.h"
#include "files.h"

namespace emotion {
namespace {

constexpr std::size_t kMostLetters = 1 << 20;  // of a field; a picture of FER2013 takes 8 KB
constexpr std::size_t kMostFields = 10'000;

char separator_of(std::string_view text, const std::filesystem::path& file, char quote, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return text.substr(0, text.find_first_of("\r\n")).find('\t') != std::string_view::npos ? '\t' : ',';
  char best = ',';
  std::pair<std::size_t, std::size_t> most{0, 0};
  for (const char separator : {',', '\t', ';'}) {
    CsvReader::Row header;
    CsvReader(text, file, separator, quote).next(header);
    std::size_t found = 0;
    for (const auto& name : wanted) found += std::find(header.fields.begin(), header.fields.end(), name) != header.fields.end();
    if (std::pair(found, header.fields.size()) <= most) continue;
    most = {found, header.fields.size()};
    best = separator;
  }
  return best;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::filesystem::path file, char comma, char quote)
    : text_(without_byte_order_mark(text)), file_(std::move(file)), comma_(comma), quote_(quote) {}

bool CsvReader::next(Row& row) {
  while (at_ < text_.size()) {
    read_row(row);
    if (row.fields.size() > 1 || !row.fields[0].empty()) return true;
  }
  return false;
}

void CsvReader::read_row(Row& row) {
  row.line = line_;
  row.fields.clear();
  const std::size_t begin = at_;
  std::string field;
  bool quoted = false;
  for (; at_ < text_.size(); ++at_) {
    if (field.size() > kMostLetters)
      throw DataError(
          fmt::format("{}:{}: a field of more than {} bytes; is a quote not closed?", file_.string(), row.line, kMostLetters));
    const char c = text_[at_];
    const char following = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (quoted) {
      if (c == quote_ && following == quote_) {
        field += text_[at_++];
      } else if (c == quote_) {
        quoted = false;
      } else {
        line_ += c == '\n';
        field += c;
      }
    } else if (c == quote_ && field.empty()) {
      quoted = true;
    } else if (c == comma_) {
      if (row.fields.size() >= kMostFields)
        throw DataError(fmt::format("{}:{}: more than {} fields", file_.string(), row.line, kMostFields));
      row.fields.push_back(std::move(field));
      field.clear();
    } else if (c == '\n' || c == '\r') {
      at_ += c == '\r' && following == '\n' ? 2 : 1;
      ++line_;
      break;
    } else {
      field += c;
    }
  }
  if (quoted) throw DataError(fmt::format("{}:{}: a quote is not closed", file_.string(), row.line));
  if (!is_utf8(text_.substr(begin, at_ - begin)))
    throw DataError(fmt::format("{}:{}: the text is not UTF-8; save it as UTF-8", file_.string(), row.line));
  row.fields.push_back(std::move(field));
}

CsvTable CsvTable::read(const std::filesystem::path& file, char quote, const std::vector<std::string>& wanted) {
  const MappedFile map(file);
  const std::string_view text = map.text();
  if (text.empty()) throw DataError(file.string() + ": the file is empty");
  CsvReader reader(text, file, separator_of(text, file, quote, wanted), quote);
  CsvTable table;
  table.file = file;
  Row row;
  if (reader.next(row)) table.header = row.fields;
  while (reader.next(row)) {
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

std::size_t csv_column(const std::vector<std::string>& header, std::string_view name, const std::filesystem::path& file) {
  const auto found = std::find_if(header.begin(), header.end(),
                                  [&](const auto& column) { return lower_case(trimmed(column)) == lower_case(name); });
  if (found == header.end()) {
    throw DataError(fmt::format("{}:1: there is no column '{}'; there are {}{}", file.string(), name, fmt::join(header, ", "),
                                did_you_mean(name, header)));
  }
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace emotion
