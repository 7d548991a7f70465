#include "files.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// Lists files. Linked folders are followed; one that leads back up is not entered again.
class FileWalk {
 public:
  FileWalk(const fs::path& root, bool deep) : root_(root), deep_(deep) {}
  std::vector<std::string> files;

  void run(const fs::path& folder) {
    fs::path way = root_;
    pass(way);
    for (const auto& part : folder) pass(way /= part);
    enter(folder);
  }

 private:
  /// False if the folder is on the way already.
  bool pass(const fs::path& folder) {
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0) return true;
    const std::pair id{info.st_dev, info.st_ino};
    if (std::find(way_.begin(), way_.end(), id) != way_.end()) return false;
    way_.push_back(id);
    return true;
  }
  void enter(const fs::path& folder) {
    const std::size_t depth = way_.size();
    std::vector<std::string> broken;
    std::error_code error, ignored;
    for (const auto& entry : fs::directory_iterator(root_ / folder, error)) {
      const std::string name = entry.path().filename().string();
      if (is_junk(name)) continue;
      if (entry.is_regular_file(ignored)) {
        files.push_back((folder / name).generic_string());
      } else if (entry.is_directory(ignored)) {
        if (deep_ && pass(root_ / folder / name)) enter(folder / name);
        way_.resize(depth);
      } else if (entry.is_symlink(ignored)) {
        broken.push_back(name);
      }
    }
    if (error) throw DataError(fmt::format("{}: cannot be read: {}", (root_ / folder).string(), error.message()));
    if (!broken.empty()) {
      log_warning("{}: {} links lead to neither a file nor a folder and are passed over; one is {}", (root_ / folder).string(),
                  broken.size(), broken[0]);
    }
  }

  const fs::path& root_;
  bool deep_;
  std::vector<std::pair<dev_t, ino_t>> way_;  // the folders that this one lies in
};

/// At most 64. Where there are none, read_file() tells an empty file from one that cannot be read, and that from a failing disk.
std::string first_bytes(const fs::path& file) {
  std::array<char, 64> bytes{};
  std::ifstream in(file, std::ios::binary);
  in.read(bytes.data(), bytes.size());
  return in.gcount() > 0 ? std::string(bytes.data(), static_cast<std::size_t>(in.gcount())) : read_file(file).substr(0, 64);
}

}  // namespace

std::vector<TextLine> read_lines(const fs::path& file) {
  const std::string text = read_text(file);
  std::vector<TextLine> lines;
  std::uint64_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    if (!line.empty()) lines.push_back({number, std::string(line)});
    begin = end + 1;
    if (begin < text.size() && text[end] == '\r' && text[begin] == '\n') ++begin;
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::vector<std::string> pieces(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

std::string some_of(std::span<const std::string> names) {
  constexpr std::size_t kShown = 5;
  if (names.size() <= kShown) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.first(kShown), ", "), names.size() - kShown);
}

std::string file_name_of_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  while (url.ends_with('/')) url.remove_suffix(1);
  if (const std::size_t slash = url.rfind('/'); slash != std::string_view::npos) url.remove_prefix(slash + 1);
  std::string name(url.substr(url.size() > 200 ? url.size() - 200 : 0));
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  }
  if (name.find_first_not_of('.') == std::string::npos || name[0] == '.') name = "_" + name;
  return has_picture_name(name) ? name : name + ".jpg";
}

bool is_junk(std::string_view name) {
  return name.starts_with('.') || name == "Thumbs.db" || name == "desktop.ini" || name == "__MACOSX";
}

void OtherFiles::add(const fs::path& file) { ++by_suffix_[lower_case(file.extension().string())]; }

void OtherFiles::warn(const std::string& place) const {
  if (by_suffix_.empty()) return;
  std::vector<std::pair<std::string, std::uint64_t>> counts(by_suffix_.begin(), by_suffix_.end());
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::uint64_t total = 0;
  std::vector<std::string> kinds;
  for (const auto& [suffix, count] : counts) {
    total += count;
    kinds.push_back(fmt::format("{} {}", count, suffix.empty() ? "without a suffix" : suffix));
  }
  log_warning("{}: {} files are no pictures by their names: {}", place, total, some_of(kinds));
}

std::vector<std::string> files_of(const fs::path& root, const fs::path& folder, bool deep) {
  FileWalk walk(root, deep);
  walk.run(folder);
  std::sort(walk.files.begin(), walk.files.end());
  return std::move(walk.files);
}

std::vector<std::string> folders_of(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error, ignored;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(ignored) && !is_junk(entry.path().filename().string()))
      names.push_back(entry.path().filename().string());
  }
  if (error) throw DataError(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

fs::path find_folder(const fs::path& root, const std::vector<std::string>& names,
                     const std::function<bool(const fs::path&)>& fits) {
  if (fits(root)) return root;
  for (const auto& name : names) {
    if (fs::is_directory(root / name) && fits(root / name)) return root / name;
  }
  return {};
}

std::string picture_problem(const fs::path& file) {
  std::error_code told_by_reading;
  const fs::file_status status = fs::status(file, told_by_reading);
  if (fs::status_known(status) && !fs::is_regular_file(status)) return "no such file";
  std::string head;
  try {
    head = first_bytes(file);
  } catch (const DataError& error) {
    const std::string text = error.what(), place = file.string() + ": ";
    return text.starts_with(place) ? text.substr(place.size()) : text;
  }
  if (head.empty()) return "an empty file";
  using namespace std::string_view_literals;
  for (const std::string_view magic :
       {"\xff\xd8\xff"sv, "\x89PNG\r\n\x1a\n"sv, "GIF87a"sv, "GIF89a"sv, "BM"sv, "II*\0"sv, "MM\0*"sv}) {
    if (head.starts_with(magic)) return {};
  }
  if (head.starts_with("RIFF") && head.size() >= 12 && head.substr(8, 4) == "WEBP") return {};
  const std::string text = lower_case(trimmed(head));
  if (text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<?xml"))
    return "a web page, not a picture";
  if (head.starts_with("\x00\x05\x16\x07"sv)) return "a Macintosh resource file, not a picture";
  return fmt::format("not a picture: begins with {:02x} {:02x}", static_cast<unsigned char>(head[0]),
                     static_cast<unsigned char>(head.size() > 1 ? head[1] : '\0'));
}

}  // namespace emotion
