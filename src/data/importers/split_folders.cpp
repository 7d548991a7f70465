#include "split_folders.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

const std::vector<std::pair<std::string, std::vector<std::string>>>& split_names() {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> names{
      {"train", {"train", "training"}}, {"val", {"val", "valid", "validation", "dev"}}, {"test", {"test", "testing"}}};
  return names;
}

std::string all_names() {
  std::string text;
  for (const auto& [split, names] : split_names()) {
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

bool holds_pictures(const fs::path& root, const std::string& folder) {
  const auto files = files_of(root, folder, true);
  return std::any_of(files.begin(), files.end(), [](const auto& file) { return has_picture_name(file); });
}

}  // namespace

std::vector<SplitFolder> split_folders(const fs::path& root) {
  const std::vector<std::string> folders = folders_of(root);
  std::vector<std::string> others = folders;
  std::vector<SplitFolder> found;
  for (const auto& [split, names] : split_names()) {
    for (const std::string& folder : folders) {
      if (std::find(names.begin(), names.end(), lower_case(folder)) == names.end()) continue;
      if (!found.empty() && found.back().split == split) {
        throw DataError(fmt::format("{}: folders '{}' and '{}' are both split {}; one of them is wanted", root.string(),
                                    found.back().folder, folder, split));
      }
      found.push_back({split, folder});
      std::erase(others, folder);
    }
  }
  if (found.empty()) return found;
  for (const std::string& folder : others) {
    if (!holds_pictures(root, folder)) continue;
    throw DataError(fmt::format("{}: folder '{}' holds pictures and is called as no split, which '{}' beside it is; known are {}",
                                root.string(), folder, found[0].folder, all_names()));
  }
  return found;
}

}  // namespace emotion
