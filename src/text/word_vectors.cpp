#include "emotion/text/word_vectors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <ostream>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/gzip.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"
#include "find_word.h"

namespace emotion {

/// Rows either lie in `values`, or in the mapped file at `offsets`.
struct WordVectors::Data {
  int dimension = 0;
  std::vector<std::string> own_words;
  std::vector<std::string_view> words;
  std::vector<float> values;
  std::string name;  // of the file, for errors
  std::optional<MappedFile> map;
  std::vector<std::uint64_t> offsets;
  std::unordered_map<std::string_view, std::size_t> rows;

  void index(const std::string& where) {
    std::size_t repeated = 0;
    rows.reserve(words.size());
    for (std::size_t row = 0; row < words.size(); ++row) repeated += !rows.emplace(words[row], row).second;
    if (repeated > 0) log_warning("{}: {} words stand more than once; the first vector of each is used", where, repeated);
  }
  const char* row_bytes(std::size_t row) const { return map->text().data() + offsets[row]; }
};

namespace {

constexpr std::uint64_t kMaxDimension = 100000;
constexpr std::uint64_t kAlwaysUnpacked = 16 << 20;

/// `count dimension\n`: where the rows begin, or nothing.
struct Header {
  std::uint64_t words = 0, dimension = 0;
  std::size_t end = 0;
};
std::optional<Header> parse_header(std::string_view text) {
  const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
  Header header;
  const char* end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, header.words);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ' ') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, header.dimension);
  if (second.ec != std::errc{} || (second.ptr != end && *second.ptr != '\r' && *second.ptr != ' ')) return std::nullopt;
  header.end = std::min(line.size() + 1, text.size());  // the line may be all there is
  return header;
}

std::uint64_t line_of(std::string_view text, std::size_t at) {
  return static_cast<std::uint64_t>(
             std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(at, text.size())), '\n')) +
         1;
}

/// Whether a field of a row is a number as a whole, `nan` and `inf` too.
bool is_number(std::string_view field) {
  float value = 0;
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc{} && stop == field.data() + field.size();
}

/// A line's numbers if all of its fields but the first are some: a word of several fields hardly ends in a number. Else 0.
int plain_numbers(std::string_view line) {
  int count = 0;
  for (std::size_t at = line.find(' '); at != std::string_view::npos; ++count) {
    const std::size_t next = line.find(' ', at + 1);
    if (!is_number(line.substr(at + 1, std::min(next, line.size()) - at - 1))) return 0;
    at = next;
  }
  return count;
}

/// The line that begins at `begin`, without blanks at its end.
std::string_view line_at(std::string_view text, std::size_t begin, std::size_t end) {
  std::string_view line = text.substr(begin, end - begin);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

/// How many numbers a row has where no header says so: as most of the first plain ones; of equally many the first seen. 0 if no
/// line is plain.
int count_numbers(std::string_view text) {
  constexpr std::size_t kLooked = 100;     // lines
  std::vector<std::pair<int, int>> votes;  // numbers, lines
  std::size_t begin = 0;
  for (std::size_t line = 0; line < kLooked && begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (const int count = plain_numbers(line_at(text, begin, end)); count > 0) {
      const auto same = std::find_if(votes.begin(), votes.end(), [&](const auto& vote) { return vote.first == count; });
      if (same == votes.end()) {
        votes.emplace_back(count, 1);
      } else {
        ++same->second;
      }
    }
    begin = end + 1;
  }
  const auto most =
      std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == votes.end() ? 0 : most->first;
}

/// Text rows, with or without the header line: `word v1 v2 ..`.
struct TextRows {
  std::vector<std::string> words;
  std::vector<float> values;
  int dimension = 0;

  /// A row is its last D fields and the word before them, which may hold blanks (GloVe's `. . .`).
  /// @throws what `refuse` makes of a text
  template <class Refuse>
  void add(std::string_view line, const Refuse& refuse) {
    const std::size_t first = line.find(' ');
    if (first == 0 || first == std::string_view::npos) refuse("a word and its numbers are wanted");
    const auto fields = static_cast<int>(std::count(line.begin(), line.end(), ' '));
    if (dimension == 0) dimension = fields;
    if (fields < dimension || (fields > dimension && plain_numbers(line) > 0)) {
      refuse(
          fmt::format("'{}' has {} numbers, {} are wanted", line.substr(0, std::min<std::size_t>(first, 60)), fields, dimension));
    }
    std::size_t at = first;
    for (int extra = fields - dimension; extra > 0; --extra) at = line.find(' ', at + 1);
    const std::string_view word = line.substr(0, at);
    for (int k = 1; k <= dimension; ++k) {
      float value = 0;
      const auto [stop, error] = std::from_chars(line.data() + at + 1, line.data() + line.size(), value);
      at = static_cast<std::size_t>(stop - line.data());
      if (error != std::errc{} || !std::isfinite(value) || (at < line.size() && line[at] != ' '))
        refuse(fmt::format("number {} of '{}' is not a finite number", k, word.substr(0, 60)));
      values.push_back(value);
    }
    words.emplace_back(word);
  }
};

TextRows read_text_rows(std::string_view text, const std::optional<Header>& header, const std::string& name) {
  TextRows rows;
  rows.dimension = header ? static_cast<int>(header->dimension) : count_numbers(text);
  std::size_t begin = header ? header->end : 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = line_at(text, begin, end);
    if (!line.empty()) {
      rows.add(line,
               [&](const std::string& what) { throw DataError(fmt::format("{}:{}: {}", name, line_of(text, begin), what)); });
    }
    begin = end + 1;
  }
  if (rows.words.empty()) throw DataError(name + ": there are no word vectors in it");
  if (header && rows.words.size() != header->words) {
    throw DataError(fmt::format("{}: the header says {} words, there are {}; the file may be truncated", name, header->words,
                                rows.words.size()));
  }
  return rows;
}

/// A .gz file's content, in a temporary file that is gone from its folder as soon as it is mapped: Google's 3.6 GB need no
/// memory.
MappedFile unpacked(const std::filesystem::path& file, std::uint64_t packed) {
  const ScratchFolder folder;
  std::ofstream out(folder.path() / "words", std::ios::binary);
  // Numbers pack to a half, their digits to a third. What packs better than 30 to 1 holds no vectors.
  unpack_gzip(file, out, kAlwaysUnpacked + 30 * packed);
  out.close();
  if (!out) throw RunError(fmt::format("{}: no room to unpack {}", folder.path().string(), file.string()));
  return MappedFile(folder.path() / "words");
}

}  // namespace

std::string word_form(std::string_view word) {
  std::string form;
  bool space = false;
  for (const char c : word) {
    const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!is_space && space && !form.empty()) form += '_';
    if (!is_space) form += c;
    space = is_space;
  }
  return form;
}

WordVectors WordVectors::open(const std::filesystem::path& file) {
  auto data = std::make_shared<Data>();
  data->map.emplace(file);
  const std::string name = data->name = file.string();
  if (data->map->text().starts_with("\x1f\x8b")) data->map.emplace(unpacked(file, data->map->text().size()));
  const std::string_view text = without_byte_order_mark(data->map->text());
  const std::size_t mark = data->map->text().size() - text.size();
  if (text.empty()) throw DataError(name + ": the file is empty");
  const auto header = parse_header(text);
  if (header &&
      (header->dimension == 0 || header->dimension > kMaxDimension || header->words == 0 || header->words > text.size() / 3)) {
    throw DataError(fmt::format("{}: a header of {} words of {} numbers does not fit a file of {} bytes", name, header->words,
                                header->dimension, text.size()));
  }
  // Google's binary rows are 4 bytes a number: bytes that text never holds follow the first word.
  const std::string_view head = text.substr(header ? header->end : 0, 4096);
  const bool is_text = std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
  if (is_text) {
    TextRows rows = read_text_rows(text, header, name);
    data->map.reset();
    data->dimension = rows.dimension;
    data->own_words = std::move(rows.words);
    data->values = std::move(rows.values);
    data->words.assign(data->own_words.begin(), data->own_words.end());
    data->index(name);
    WordVectors vectors;
    vectors.data_ = data;
    return vectors;
  }
  if (!header) throw DataError(name + ": not word vectors: neither Google's binary form nor its text form");
  data->dimension = static_cast<int>(header->dimension);
  const std::uint64_t row_size = header->dimension * sizeof(float);
  if (text.size() < header->end + header->words * (row_size + 2)) {
    throw DataError(fmt::format("{}: truncated: {} words of {} numbers do not fit {} bytes", name, header->words,
                                header->dimension, text.size()));
  }
  data->words.reserve(header->words);
  data->offsets.reserve(header->words);
  std::size_t at = header->end;
  for (std::uint64_t row = 0; row < header->words; ++row) {
    while (at < text.size() && text[at] == '\n') ++at;  // some writers end a row with one
    const std::size_t space = text.find(' ', at);
    if (space == std::string_view::npos || space - at > 10000 || text.size() - space - 1 < row_size) {
      throw DataError(fmt::format("{}: truncated or damaged at byte {}, in word {} of {}", name, at, row + 1, header->words));
    }
    data->words.push_back(text.substr(at, space - at));
    data->offsets.push_back(mark + space + 1);
    at = space + 1 + row_size;
  }
  data->index(name);
  WordVectors vectors;
  vectors.data_ = data;
  return vectors;
}

WordVectors WordVectors::from_memory(std::vector<std::string> words, std::vector<float> values, int dimension) {
  if (dimension < 1 || values.size() != words.size() * static_cast<std::size_t>(dimension)) {
    throw DataError(
        fmt::format("word vectors: {} words of {} numbers are not {} numbers", words.size(), dimension, values.size()));
  }
  auto data = std::make_shared<Data>();
  data->dimension = dimension;
  data->own_words = std::move(words);
  data->values = std::move(values);
  data->words.assign(data->own_words.begin(), data->own_words.end());
  data->index("word vectors");
  WordVectors vectors;
  vectors.data_ = data;
  return vectors;
}

std::size_t WordVectors::size() const { return data_->words.size(); }
int WordVectors::dimension() const { return data_->dimension; }
std::string_view WordVectors::word(std::size_t row) const { return data_->words[row]; }

std::optional<std::size_t> WordVectors::find(std::string_view word) const {
  const auto found = find_word(data_->rows, word);
  return found == data_->rows.end() ? std::nullopt : std::optional(found->second);
}

void WordVectors::copy(std::size_t row, std::span<float> out) const {
  const auto width = static_cast<std::size_t>(data_->dimension);
  if (data_->map) {
    std::memcpy(out.data(), data_->row_bytes(row), width * sizeof(float));
    for (const float value : out.first(width)) {
      if (!std::isfinite(value))
        throw DataError(fmt::format("{}: the vector of '{}' is not finite", data_->name, data_->words[row]));
    }
  } else {
    std::copy_n(data_->values.begin() + static_cast<std::ptrdiff_t>(row * width), width, out.begin());
  }
}

std::vector<std::pair<std::size_t, float>> WordVectors::nearest(std::span<const float> query, std::size_t k,
                                                                std::span<const std::size_t> exclude) const {
  const auto width = static_cast<std::size_t>(data_->dimension);
  double query_norm = 0;
  for (const float value : query) query_norm += static_cast<double>(value) * value;
  std::vector<std::pair<std::size_t, float>> scores;
  std::vector<float> row(width);
  const bool repeated = data_->rows.size() < size();  // hardly ever: millions of words are not looked up otherwise
  for (std::size_t i = 0; i < size(); ++i) {
    if ((repeated && data_->rows.at(data_->words[i]) != i) || std::find(exclude.begin(), exclude.end(), i) != exclude.end())
      continue;
    copy(i, row);
    double dot = 0, norm = 0;
    for (std::size_t d = 0; d < width; ++d) {
      dot += static_cast<double>(row[d]) * query[d];
      norm += static_cast<double>(row[d]) * row[d];
    }
    const double lengths = std::sqrt(norm * query_norm);
    scores.emplace_back(i, lengths > 0 ? static_cast<float>(dot / lengths) : 0.0F);
  }
  k = std::min(k, scores.size());
  std::partial_sort(
      scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(k), scores.end(),
      [](const auto& a, const auto& b) { return a.second > b.second || (a.second == b.second && a.first < b.first); });
  scores.resize(k);
  return scores;
}

void WordVectors::write_binary(const std::filesystem::path& file) const {
  write_file_atomically(file, [this](std::ostream& out) {
    out << size() << ' ' << dimension() << '\n';
    std::vector<float> row(static_cast<std::size_t>(dimension()));
    for (std::size_t i = 0; i < size(); ++i) {
      copy(i, row);
      out << word_form(word(i)) << ' ';
      out.write(reinterpret_cast<const char*>(row.data()), static_cast<std::streamsize>(row.size() * sizeof(float)));
      out << '\n';
    }
  });
}

void WordVectors::write_text(const std::filesystem::path& file) const {
  write_file_atomically(file, [this](std::ostream& out) {
    out << size() << ' ' << dimension() << '\n';
    std::vector<float> row(static_cast<std::size_t>(dimension()));
    for (std::size_t i = 0; i < size(); ++i) {
      copy(i, row);
      out << word_form(word(i));
      for (const float value : row) out << fmt::format(" {}", value);  // the shortest text of the same float
      out << '\n';
    }
  });
}

}  // namespace emotion
