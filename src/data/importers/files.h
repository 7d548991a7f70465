#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/data/picture_name.h"

namespace emotion {

/// A line of a text file, without what ends it and without blanks around it.
struct TextLine {
  std::uint64_t number;  ///< from 1
  std::string text;
};

/// The lines that are not empty; they end in LF, CRLF or a bare CR, a byte order mark is dropped. @throws DataError
std::vector<TextLine> read_lines(const std::filesystem::path& file);

/// `text` without blanks at its ends.
std::string_view trimmed(std::string_view text);
std::string lower_case(std::string_view text);
/// The pieces of `text` between `separator`, trimmed, empty ones kept.
std::vector<std::string> pieces(std::string_view text, char separator);
/// `a, b, c`, and of more than five names `a, b, c, d, e and 7 more`.
std::string some_of(std::span<const std::string> names);
/// The last part of a URL's path, fit for a file name: no query, no %-signs, `_` for what is not a letter, digit, dot, - or _.
std::string file_name_of_url(std::string_view url);

/// What systems leave behind: .DS_Store, ._picture.jpg, Thumbs.db, __MACOSX.
bool is_junk(std::string_view name);

/// Counts files that are ignored because they are called as no pictures (has_picture_name).
class OtherFiles {
 public:
  void add(const std::filesystem::path& file);
  /// One warning with the suffixes, the most frequent first; none where there was no such file.
  void warn(const std::string& place) const;

 private:
  std::map<std::string, std::uint64_t> by_suffix_;
};

/// Files of ROOT/FOLDER as paths relative to `root`, sorted, without junk; those of its subfolders, linked ones
/// too, if `deep`.
std::vector<std::string> files_of(const std::filesystem::path& root, const std::filesystem::path& folder, bool deep = false);
/// Names of the subfolders, sorted, without junk.
std::vector<std::string> folders_of(const std::filesystem::path& folder);
/// The first of ROOT and ROOT/NAME (each name in turn) that `fits`; an empty path if none does.
std::filesystem::path find_folder(const std::filesystem::path& root, const std::vector<std::string>& names,
                                  const std::function<bool(const std::filesystem::path&)>& fits);

/// Why a file is no picture, judged by its first bytes; empty for JPEG, PNG, GIF, BMP, WebP and TIFF, whatever its name.
/// @throws RunError where it cannot be read and that is no property of the file
std::string picture_problem(const std::filesystem::path& file);

}  // namespace emotion
