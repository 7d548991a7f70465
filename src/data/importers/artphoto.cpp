// ArtPhoto (Machajdik and Hanbury, ACM MM 2010): one folder, the class is the file name's text before the first underscore.
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

void read_artphoto(const fs::path& root, ImportDraft& draft) {
  draft.classes = mikels_classes();
  draft.positive = mikels_positive();
  draft.negative = mikels_negative();
  const auto class_of = [&](const std::string& file) { return class_called(file.substr(0, file.find('_')), draft.classes); };
  const fs::path folder = find_folder(root, {"testImages_artphoto", "artphoto", "images"}, [&](const fs::path& f) {
    for (const auto& file : files_of(f, "")) {
      if (class_of(file) && has_picture_name(file)) return true;
    }
    return false;
  });
  if (folder.empty()) return;
  draft.image_root = folder;
  for (const auto& file : files_of(folder, "")) {
    if (const auto cls = class_of(file)) {
      draft.add(labelled(file, *cls));
    } else if (has_picture_name(file)) {
      draft.leave_out(file, "its name begins with no class");
    }
  }
}

}  // namespace emotion
