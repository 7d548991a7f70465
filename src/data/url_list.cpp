#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/data/fetch.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"

namespace emotion {
namespace {

/// Lists made by hand have them, and libcurl takes no URL with one.
std::string encode_blanks(std::string_view url) {
  std::string encoded;
  url.remove_prefix(std::min(url.find_first_not_of(' '), url.size()));
  for (const char c : url) encoded += c == ' ' ? std::string("%20") : std::string(1, c);
  return encoded;
}

/// A file by which a data set is what it is, however deep its folder: what a list may not put a picture in the place of.
bool is_own_file(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 = 0
  if (name == "dataset.yaml" || name.ends_with(".jsonl") || name.ends_with(".index")) return true;
  return name == path && name.ends_with(".tsv");
}

}  // namespace

std::vector<UrlEntry> read_url_list(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<UrlEntry> list;
  std::unordered_map<std::string, std::pair<std::uint64_t, std::size_t>> seen;  // path -> line, place in the list
  std::uint64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    std::string_view line(text.data() + begin, end - begin);
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
    ++number;
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto refuse = [&](const std::string& what) { throw DataError(fmt::format("{}:{}: {}", file.string(), number, what)); };
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab + 1 == line.size()) refuse("`relative path<TAB>url` is wanted");
    UrlEntry entry{std::string(line.substr(0, tab)), encode_blanks(line.substr(tab + 1))};
    if (entry.url.find('\t') != std::string::npos) refuse("a second tab; `relative path<TAB>url` is wanted");
    try {
      path_below(".", entry.path);
    } catch (const DataError& error) {
      refuse(error.what());
    }
    const std::string path = std::filesystem::path(entry.path).lexically_normal().generic_string();  // each file has one
    if (path.ends_with('/') || path == ".") refuse(fmt::format("'{}' names a folder", entry.path));
    if (path == "failures.tsv") refuse(fmt::format("'{}' is where fetch lists what failed; give it another name", entry.path));
    if (is_own_file(path)) refuse(fmt::format("'{}' is a name of a data set's own files; give it another name", entry.path));
    entry.path = path;
    const auto [first, fresh] = seen.emplace(entry.path, std::pair(number, list.size()));
    if (fresh) {
      list.push_back(std::move(entry));
    } else if (list[first->second.second].url != entry.url) {
      refuse(fmt::format("'{}' has another URL in line {}", entry.path, first->second.first));
    }
  }
  return list;
}

}  // namespace emotion
