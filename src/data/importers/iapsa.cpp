// IAPSa: the pictures of the International Affective Picture System that Mikels et al. (2005) sorted into eight emotions.
//
// IAPS is not distributed with these classes, so that copies differ: class folders, or a list `ID,CLASS` beside the pictures.
#include <map>

#include <fmt/format.h>

#include "class_folders.h"
#include "emotion/error.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// IAPS numbers may hold a dot (2055.1.jpg): the extension begins at the last one, if it is one at all.
std::string iaps_number(const fs::path& file) { return has_picture_name(file) ? file.stem().string() : file.filename().string(); }

struct ListLine {
  std::uint64_t number;
  std::string id, cls;
};

/// Lines of two fields, one of which names a class; empty if the file is no such list.
std::vector<ListLine> list_lines(const fs::path& file, const std::vector<std::string>& classes) {
  std::vector<ListLine> lines;
  for (const auto& line : read_lines(file)) {
    const char separator = line.text.find('\t') != std::string::npos  ? '\t'
                           : line.text.find(',') != std::string::npos ? ','
                           : line.text.find(';') != std::string::npos ? ';'
                                                                      : ' ';
    auto fields = pieces(line.text, separator);
    std::erase(fields, "");
    if (fields.size() < 2) continue;
    if (const auto cls = class_called(fields.back(), classes)) {
      lines.push_back({line.number, fields.front(), *cls});
    } else if (!lines.empty()) {  // a first line may be a header
      throw DataError(fmt::format("{}:{}: unknown emotion '{}'", file.string(), line.number, fields.back()));
    }
  }
  return lines;
}

}  // namespace

void read_iapsa(const fs::path& root, ImportDraft& draft) {
  draft.classes = mikels_classes();
  draft.positive = mikels_positive();
  draft.negative = mikels_negative();
  draft.note(
      "anger has 8 pictures: the paper leaves it out (--without anger), and trains data.targets: one_vs_all:CLASS on --folds 5");
  const fs::path folders =
      find_folder(root, {"images", "IAPSa", "IAPS"}, [&](const fs::path& f) { return has_class_folders(f, draft.classes); });
  if (!folders.empty()) {
    draft.note("class folders in {}", folders.string());
    draft.image_root = folders;
    add_class_folders(draft, "");
    return;
  }
  draft.image_root = root;
  std::map<std::string, std::string> pictures;  // IAPS number -> path
  for (const auto& file : files_of(root, "", true)) {
    if (has_picture_name(file)) pictures.emplace(iaps_number(file), file);
  }
  for (const auto& file : files_of(root, "")) {
    const std::string extension = lower_case(fs::path(file).extension().string());
    if (extension != ".csv" && extension != ".txt" && extension != ".tsv") continue;
    const auto lines = list_lines(root / file, draft.classes);
    if (lines.empty()) continue;
    draft.note("list {} of {} pictures", file, lines.size());
    for (const auto& line : lines) {
      const auto found = pictures.find(iaps_number(line.id));
      if (found == pictures.end()) {
        draft.leave_out(line.id, fmt::format("no such file ({}:{})", file, line.number));
      } else {
        draft.add(labelled(found->second, line.cls));
      }
    }
    return;
  }
  throw DataError(root.string() + ": neither class folders (amusement, anger ..) nor a list of ID,CLASS lines is there");
}

}  // namespace emotion
