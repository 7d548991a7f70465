// COCO (Lin et al., 2014) and what is published in its format: annotations/instances_train2017.json, or annotations/train.json.
#include <algorithm>
#include <map>
#include <regex>
#include <unordered_map>

#include <fmt/format.h>

#include "boxes.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

namespace dom = simdjson::dom;

/// Where a split's pictures lie, relative to the root: the first place that has the first picture.
std::string picture_folder(const fs::path& root, const std::string& split, const std::string& year, const std::string& first) {
  const std::string own = split + year;
  for (const std::string& folder :
       {own + "/", "images/" + own + "/", split + "/", "images/" + split + "/", std::string("images/"), std::string()}) {
    if (fs::exists(path_below(root, folder + first))) return folder;
  }
  throw DataError(fmt::format("{}: {} is neither in {}, images/{}, images nor the folder itself; are the pictures unpacked?",
                              root.string(), first, own, own));
}

class CocoSplit {
 public:
  CocoSplit(const fs::path& root, const fs::path& file, std::map<std::int64_t, std::string>& categories)
      : root_(root), json_(file), categories_(categories) {}

  BoxedSplit read(const std::string& split, const std::string& year, std::uint64_t& missing) {
    read_categories();
    BoxedSplit result{.name = split, .pictures = {}};
    std::unordered_map<std::int64_t, std::ptrdiff_t> places;  // image id -> picture; -1: not there
    std::string folder;
    for (const dom::element entry : json_.list(json_.root(), "images")) {
      const std::int64_t id = json_.number(entry, "id", "an image");
      const std::string what = fmt::format("image {}", id), name = json_.text(entry, "file_name", what);
      if (places.empty()) folder = picture_folder(root_, split, year, name);
      const bool there = fs::exists(path_below(root_, folder + name));
      if (!places.emplace(id, there ? static_cast<std::ptrdiff_t>(result.pictures.size()) : -1).second)
        json_.refuse(fmt::format("image id {} stands twice", id));
      missing += !there;
      if (!there) continue;
      result.pictures.push_back({.image = folder + name,
                                 .width = static_cast<int>(json_.number(entry, "width", what)),
                                 .height = static_cast<int>(json_.number(entry, "height", what)),
                                 .boxes = {}});
    }
    for (const dom::element entry : json_.list(json_.root(), "annotations")) add(entry, places, result.pictures);
    return result;
  }

 private:
  void read_categories() {
    for (const dom::element entry : json_.list(json_.root(), "categories")) {
      const std::int64_t id = json_.number(entry, "id", "a category");
      const std::string name = json_.text(entry, "name", fmt::format("category {}", id));
      const auto [known, added] = categories_.emplace(id, name);
      if (!added && known->second != name)
        json_.refuse(fmt::format("category {} is '{}' here and '{}' in another split", id, name, known->second));
    }
  }

  void add(const dom::element& entry, const std::unordered_map<std::int64_t, std::ptrdiff_t>& places,
           std::vector<BoxedPicture>& pictures) {
    const std::int64_t id = json_.number(entry, "id", "an annotation");
    const std::string what = fmt::format("annotation {}", id);
    const std::int64_t image = json_.number(entry, "image_id", what), category = json_.number(entry, "category_id", what);
    const auto place = places.find(image);
    if (place == places.end()) json_.refuse(fmt::format("{}: image_id {} is not in 'images'", what, image));
    const auto known = categories_.find(category);
    if (known == categories_.end()) json_.refuse(fmt::format("{}: category_id {} is not in 'categories'", what, category));
    if (place->second < 0) return;
    std::vector<double> box;
    dom::array numbers;
    if (entry["bbox"].get(numbers) == simdjson::SUCCESS) {
      for (const dom::element value : numbers) {
        double number = 0;
        if (value.get(number) == simdjson::SUCCESS) box.push_back(number);
      }
    }
    if (box.size() != 4) json_.refuse(what + ": bbox is not a list of four numbers x y width height");
    double area = box[2] * box[3];
    if (double own = 0; entry["area"].get(own) == simdjson::SUCCESS) area = own;
    std::int64_t crowd = 0;
    if (entry["iscrowd"].get(crowd) != simdjson::SUCCESS) crowd = 0;
    pictures[static_cast<std::size_t>(place->second)].boxes.push_back(
        {{static_cast<float>(box[0]), static_cast<float>(box[1]), static_cast<float>(box[0] + box[2]),
          static_cast<float>(box[1] + box[3])},
         static_cast<std::uint32_t>(std::distance(categories_.begin(), known)),
         area,
         crowd != 0});
  }

  const fs::path& root_;
  JsonFile json_;
  std::map<std::int64_t, std::string>& categories_;
};

}  // namespace

BoxedData read_coco(const BoxImport& request) {
  static const std::regex pattern(R"((?:instances_)?(train|val|test)(\d*)\.json)");
  std::map<std::int64_t, std::string> categories;
  BoxedData data;
  const fs::path folder = request.root / "annotations";
  if (!fs::is_directory(folder))
    throw DataError(folder.string() + ": there is no such folder; COCO's annotations are unpacked into it");
  for (const char* split : {"train", "val", "test"}) {
    for (const std::string& name : files_of(request.root, "annotations")) {
      const std::string file = fs::path(name).filename().string();
      std::smatch match;
      if (!std::regex_match(file, match, pattern) || match[1] != split) continue;
      if (!data.splits.empty() && data.splits.back().name == split)
        throw DataError(fmt::format("{}: there are several files for split {}; keep one year", folder.string(), split));
      data.splits.push_back(CocoSplit(request.root, request.root / name, categories).read(split, match[2], data.missing));
    }
  }
  if (data.splits.empty())
    throw DataError(folder.string() + ": no instances_train2017.json, instances_val2017.json, train.json or the like");
  for (const auto& [id, name] : categories) data.classes.push_back(name);
  return data;
}

}  // namespace emotion
