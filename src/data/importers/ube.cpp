// UnBiasedEmo (Panda et al., ECCV 2018): images/CLASS/OBJECT/FILE; file names repeat between folders, paths do not.
#include "class_folders.h"
#include "emotion/error.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

void read_ube(const fs::path& root, ImportDraft& draft) {
  draft.classes = {"anger", "fear", "joy", "love", "sadness", "surprise"};
  draft.positive = {"joy", "love", "surprise"};  // as WEBEmo's category.txt has them, of the same authors
  draft.negative = {"anger", "fear", "sadness"};
  const fs::path folder = find_folder(root, {"images", "UnBiasedEmo", "UnBiasedEmo/images"},
                                      [&](const fs::path& f) { return has_class_folders(f, draft.classes); });
  if (folder.empty())
    throw DataError(root.string() + ": the class folders anger, fear, joy .. are missing; is images.zip unpacked?");
  draft.image_root = folder;
  add_class_folders(draft, "");
}

}  // namespace emotion
