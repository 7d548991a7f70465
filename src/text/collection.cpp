#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <simdjson.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/signals.h"
#include "emotion/text/curation.h"

namespace emotion {

std::string keyword_form(std::string_view word) {
  while (!word.empty() && static_cast<unsigned char>(word.front()) <= ' ') word.remove_prefix(1);
  while (!word.empty() && static_cast<unsigned char>(word.back()) <= ' ') word.remove_suffix(1);
  return small_letters(word);
}

namespace {

class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& file) : file_(file) {}

  void read(const std::string& line, std::uint64_t number, const std::function<void(const CollectionRecord&)>& take) {
    simdjson::dom::object object;
    record_.line = number;
    record_.image = {};
    record_.box.reset();
    rest_.clear();
    std::size_t count = 0;
    if (parser_.parse(line).get(object)) refuse("not a JSON object");
    for (const auto [key, value] : object) {
      if (key == "image") {
        if (value.get(record_.image)) refuse("\"image\" is not text");
      } else if (key == "keywords") {
        count = read_keywords(value);
      } else if (key == "box" || key == "face" || key == "regions" || key == "source") {
        if (key == "box") record_.box = box_of(value);
        rest_ += fmt::format(",\"{}\":{}", key, simdjson::minify(value));
      }
    }
    if (record_.image.empty()) refuse("\"image\" is missing");
    try {
      path_below(".", record_.image);
    } catch (const DataError& error) {
      refuse(fmt::format("\"image\": {}", error.what()));
    }
    record_.keywords.resize(count);
    record_.rest = rest_;
    take(record_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}:{}: {}", file_.string(), record_.line, what));
  }

  /// Nothing for what is no box: the manifest's reader says so.
  static std::optional<std::array<float, 4>> box_of(const simdjson::dom::element& value) {
    simdjson::dom::array list;
    std::array<float, 4> box{};
    if (value.get(list) || list.size() != box.size()) return std::nullopt;
    std::size_t i = 0;
    for (const simdjson::dom::element item : list) {
      double number = 0;
      if (item.get(number)) return std::nullopt;
      box[i++] = static_cast<float>(number);
    }
    return box;
  }

  /// Strings of earlier lines are used again: a list costs no allocation.
  std::size_t read_keywords(const simdjson::dom::element& value) {
    simdjson::dom::array list;
    if (value.get(list)) refuse("\"keywords\" is not a list");
    std::size_t count = 0;
    auto& words = record_.keywords;
    for (const simdjson::dom::element item : list) {
      std::string_view text;
      if (item.get(text)) refuse("\"keywords\": a keyword is not text");
      std::string word = keyword_form(text);
      const auto end = words.begin() + static_cast<std::ptrdiff_t>(count);
      if (word.empty() || std::find(words.begin(), end, word) != end) continue;
      if (count == words.size()) words.emplace_back();
      words[count++] = std::move(word);
    }
    return count;
  }

  std::filesystem::path file_;
  simdjson::dom::parser parser_;
  CollectionRecord record_;
  std::string rest_;
};

}  // namespace

void read_collection(const std::filesystem::path& jsonl, const std::function<void(const CollectionRecord&)>& take) {
  std::vector<char> buffer(1 << 20);
  std::ifstream in;
  in.rdbuf()->pubsetbuf(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  in.open(jsonl, std::ios::binary);
  if (!in || std::filesystem::is_directory(jsonl)) throw DataError(fmt::format("{}: cannot be read", jsonl.string()));
  LineReader reader(jsonl);
  std::string line;
  for (std::uint64_t number = 1; std::getline(in, line); ++number) {
    if (number % 4096 == 0 && stop_requested()) throw Interrupted("curate: interrupted");
    if (number == 1) line.erase(0, line.size() - without_byte_order_mark(line).size());
    if (line.find_first_not_of(" \t\r") != std::string::npos) reader.read(line, number, take);
  }
  if (in.bad()) throw DataError(fmt::format("{}: cannot be read: {}", jsonl.string(), std::strerror(errno)));
}

}  // namespace emotion
