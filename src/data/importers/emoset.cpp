// EmoSet-118K (Yang et al., ICCV 2023): {train,val,test}.json hold [class, (id,) image, annotation] for every picture.
//
// Class ids as published, positive ones first. The attributes of annotation/ (brightness, scene, objects ..) are not imported.
#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

void read_split(const fs::path& file, const std::string& split, ImportDraft& draft) {
  const std::string text = read_file(file);
  simdjson::dom::parser parser;
  simdjson::dom::array items;
  if (parser.parse(text).get(items)) throw DataError(file.string() + ": not a JSON list");
  std::size_t number = 0, width = 0;
  for (const simdjson::dom::element item : items) {
    simdjson::dom::array parts;
    std::string_view name, image;
    if (item.get(parts) || parts.size() < 2 || parts.at(0).get(name))
      throw DataError(fmt::format("{}: item {}: [class, image, annotation] is wanted", file.string(), number));
    for (const simdjson::dom::element part : parts) {  // which one is the picture differs between releases
      std::string_view value;
      if (!part.get(value) && has_picture_name(value)) image = value;
    }
    if (image.empty()) throw DataError(fmt::format("{}: item {}: none of its parts is a picture", file.string(), number));
    const auto cls = class_called(name, draft.classes);
    if (!cls) throw DataError(fmt::format("{}: item {}: unknown class '{}'", file.string(), number, name));
    draft.add(labelled(std::string(image), *cls), split, {}, fmt::format("{}: item {}", file.string(), number));
    width = parts.size();
    ++number;
  }
  draft.note("{}: {} items of {} parts", file.filename().string(), number, width);
}

}  // namespace

void read_emoset(const fs::path& root, ImportDraft& draft) {
  draft.classes = {"amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"};
  draft.positive = mikels_positive();
  draft.negative = mikels_negative();
  const fs::path folder =
      find_folder(root, {"EmoSet-118K", "EmoSet"}, [](const fs::path& f) { return fs::is_regular_file(f / "train.json"); });
  if (folder.empty()) throw DataError((root / "train.json").string() + ": the list of a split is missing");
  draft.image_root = folder;
  for (const char* split : {"train", "val", "test"}) {
    if (fs::exists(folder / fmt::format("{}.json", split))) {
      read_split(folder / fmt::format("{}.json", split), split, draft);
    } else {
      draft.warn("{}.json is missing", split);
    }
  }
}

}  // namespace emotion
