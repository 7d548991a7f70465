#include "class_folders.h"

#include <algorithm>
#include <cstdint>

#include "emotions.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

bool has_class_folders(const fs::path& folder, const std::vector<std::string>& classes) {
  if (!fs::is_directory(folder)) return false;
  const auto names = folders_of(folder);
  return std::count_if(names.begin(), names.end(), [&](const auto& name) { return class_called(name, classes).has_value(); }) >=
         2;
}

bool add_class_folders(ImportDraft& draft, const fs::path& folder, const std::string& split) {
  bool any = false;
  std::uint64_t other = 0;
  for (const auto& name : folders_of(draft.image_root / folder)) {
    const auto cls = class_called(name, draft.classes);
    const auto files = files_of(draft.image_root, folder / name, true);
    if (!cls) {
      if (std::any_of(files.begin(), files.end(), [](const auto& file) { return has_picture_name(file); }))
        draft.warn("folder {} is called like no class; it is passed over", (folder / name).generic_string());
      continue;
    }
    if (*cls != name) draft.note("folder {} is class {}", name, *cls);
    any = true;
    for (const auto& file : files) {
      if (has_picture_name(file) || picture_problem(draft.image_root / file).empty()) {
        draft.add(labelled(file, *cls), split);
      } else {
        ++other;
      }
    }
  }
  if (other > 0) draft.note("{} files are no pictures and are not called so; passed over", other);
  return any;
}

}  // namespace emotion
