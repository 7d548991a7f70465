// EmotionROI (Peng et al., ICIP 2016): class folders and the authors' lists of training and testing pictures.
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "class_folders.h"
#include "emotion/error.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// `class/file.jpg`, perhaps below `images/`, perhaps with backslashes or more behind it on the line.
std::string listed_image(std::string text) {
  for (char& c : text) {
    if (c == '\\') c = '/';
  }
  text = text.substr(0, text.find_first_of("\t,"));
  if (text.starts_with("./")) text.erase(0, 2);
  if (text.starts_with("images/")) text.erase(0, 7);
  return text;
}

fs::path list_file(const fs::path& folder, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  return {};
}

}  // namespace

void read_emotionroi(const fs::path& root, ImportDraft& draft) {
  draft.classes = six_classes();
  draft.positive = six_positive();
  draft.negative = six_negative();
  const fs::path folder = find_folder(root, {"EmotionROI", "Emotion6"},
                                      [&](const fs::path& f) { return has_class_folders(f / "images", draft.classes); });
  if (folder.empty()) throw DataError((root / "images").string() + ": the class folders anger, disgust .. are missing");
  draft.image_root = folder / "images";
  const fs::path lists = fs::is_directory(folder / "training_testing_split") ? folder / "training_testing_split" : folder;
  const fs::path training = list_file(lists, {"training.txt", "train.txt"}),
                 testing = list_file(lists, {"testing.txt", "test.txt"});
  if (training.empty() || testing.empty()) {
    draft.warn("{} has no training.txt and testing.txt: the published split is not known", lists.string());
    add_class_folders(draft, "");
    return;
  }
  std::unordered_map<std::string, std::string> split_of;
  for (const auto& [file, split] : {std::pair{training, "train"}, std::pair{testing, "test"}}) {
    for (const auto& line : read_lines(file)) {
      const std::string image = listed_image(line.text);
      const std::string place = fmt::format("{}:{}", file.string(), line.number);
      const auto cls = class_called(image.substr(0, image.find('/')), draft.classes);
      if (!cls || image.find('/') == std::string::npos)
        throw DataError(fmt::format("{}: '{}' is not CLASS/FILE with one of the six classes", place, line.text));
      if (!split_of.emplace(image, split).second) throw DataError(fmt::format("{}: {} stands twice in the lists", place, image));
      draft.add(labelled(image, *cls), split, {}, place);
    }
  }
  for (const auto& name : folders_of(draft.image_root)) {
    for (const auto& file : files_of(draft.image_root, name)) {
      if (has_picture_name(file) && !split_of.contains(file)) draft.leave_out(file, "in neither list of the split");
    }
  }
}

}  // namespace emotion
