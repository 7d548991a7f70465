// COCO (Lin et al., 2014) and what is published in its format: annotations/instances_train2017.json, or annotations/train.json.
#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "boxes.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kLookedFor = 1000;  // pictures, before a split counts as not unpacked

/// Where a split's pictures lie, relative to the root: the first place that has any of the first pictures.
std::string picture_folder(const fs::path& root, const std::string& split, const std::string& year,
                           const std::vector<std::string>& names) {
  const std::string own = split + year;
  const std::vector<std::string> folders{own + "/", "images/" + own + "/", split + "/", "images/" + split + "/", "images/", ""};
  const std::size_t count = std::min(names.size(), kLookedFor);
  for (std::size_t i = 0; i < count; ++i) {
    for (const std::string& folder : folders) {
      if (fs::exists(path_below(root, folder + names[i]))) return folder;
    }
  }
  throw DataError(fmt::format("{}: {} is neither in {}, images/{}, images nor the folder itself{}; are the pictures unpacked?",
                              root.string(), names[0], own, own,
                              count > 1 ? fmt::format(", and so are the next {}", count - 1) : ""));
}

/// The categories of all splits. A box is labelled with the order in which its category came; which place among the classes that
/// is, is known when every split has been read.
class Categories {
 public:
  void read(const JsonFile& json) {
    for (const dom::element entry : json.list(json.root(), "categories")) {
      const std::int64_t id = json.number(entry, "id", "a category");
      const std::string name = json.text(entry, "name", fmt::format("category {}", id));
      if (const auto known = by_id_.find(id); known != by_id_.end()) {
        if (known->second.name != name)
          json.refuse(fmt::format("category {} is '{}' here and '{}' in another split", id, name, known->second.name));
        continue;
      }
      const auto [namesake, fresh] = id_of_name_.emplace(name, id);
      if (!fresh) json.refuse(fmt::format("category '{}' has the ids {} and {}", name, namesake->second, id));
      by_id_.emplace(id, Category{name, static_cast<std::uint32_t>(by_id_.size())});
    }
  }
  std::optional<std::uint32_t> number(std::int64_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? std::nullopt : std::optional(found->second.number);
  }
  /// Names in the order of their ids; the labels of all boxes become positions among them.
  void settle(BoxedData& data) const {
    std::vector<std::uint32_t> places(by_id_.size());
    for (const auto& [id, category] : by_id_) {
      places[category.number] = static_cast<std::uint32_t>(data.classes.size());
      data.classes.push_back(category.name);
    }
    for (BoxedSplit& split : data.splits) {
      for (BoxedPicture& picture : split.pictures) {
        for (AnnotatedBox& box : picture.boxes) box.label = places[box.label];
      }
    }
  }

 private:
  struct Category {
    std::string name;
    std::uint32_t number;
  };
  std::map<std::int64_t, Category> by_id_;
  std::unordered_map<std::string, std::int64_t> id_of_name_;
};

class CocoSplit {
 public:
  CocoSplit(const fs::path& root, const fs::path& file, Categories& categories)
      : root_(root), json_(file), categories_(categories) {}

  BoxedSplit read(const std::string& split, const std::string& year, MissingPictures& missing) {
    categories_.read(json_);
    BoxedSplit result{.name = split, .pictures = {}};
    const std::vector<BoxedPicture> pictures = read_images();
    if (pictures.empty()) return result;
    std::vector<std::string> names;
    for (const BoxedPicture& picture : pictures) names.push_back(picture.image);
    const std::string folder = picture_folder(root_, split, year, names);
    std::unordered_map<std::int64_t, std::ptrdiff_t> places;  // image id -> picture; -1: not there
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const std::string problem = picture_problem(path_below(root_, folder + names[i]));
      places.emplace(ids_[i], problem.empty() ? static_cast<std::ptrdiff_t>(result.pictures.size()) : -1);
      if (!problem.empty()) {
        missing.emplace_back(folder + names[i], problem);
        continue;
      }
      result.pictures.push_back(pictures[i]);
      result.pictures.back().image = folder + names[i];
    }
    if (result.pictures.empty()) {
      throw DataError(fmt::format("{}: none of the {} pictures of split {} can be used; {}: {}", root_.string(), names.size(),
                                  split, missing.back().first, missing.back().second));
    }
    for (const dom::element entry : json_.list(json_.root(), "annotations")) add(entry, places, result.pictures);
    return result;
  }

 private:
  /// The list of images as it stands, their ids in ids_.
  std::vector<BoxedPicture> read_images() {
    std::vector<BoxedPicture> pictures;
    std::unordered_set<std::int64_t> seen;
    std::unordered_map<std::string, std::int64_t> id_of_name;
    for (const dom::element entry : json_.list(json_.root(), "images")) {
      const std::int64_t id = json_.number(entry, "id", "an image");
      const std::string what = fmt::format("image {}", id), name = json_.text(entry, "file_name", what);
      if (!seen.insert(id).second) json_.refuse(fmt::format("image id {} stands twice", id));
      try {
        path_below(root_, name);
      } catch (const DataError& error) {
        json_.refuse(fmt::format("{}: {}", what, error.what()));
      }
      const auto [namesake, fresh] = id_of_name.emplace(name, id);
      if (!fresh) json_.refuse(fmt::format("image '{}' has the ids {} and {}", name, namesake->second, id));
      ids_.push_back(id);
      pictures.push_back(
          {.image = name, .width = json_.side(entry, "width", what), .height = json_.side(entry, "height", what), .boxes = {}});
    }
    return pictures;
  }

  void add(const dom::element& entry, const std::unordered_map<std::int64_t, std::ptrdiff_t>& places,
           std::vector<BoxedPicture>& pictures) {
    const std::int64_t id = json_.number(entry, "id", "an annotation");
    const std::string what = fmt::format("annotation {}", id);
    const std::int64_t image = json_.number(entry, "image_id", what), category = json_.number(entry, "category_id", what);
    const auto place = places.find(image);
    if (place == places.end()) json_.refuse(fmt::format("{}: image_id {} is not in 'images'", what, image));
    const auto label = categories_.number(category);
    if (!label) json_.refuse(fmt::format("{}: category_id {} is not in 'categories'", what, category));
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
        {json_.corners(box[0], box[1], box[2], box[3], what), *label, area, crowd != 0});
  }

  const fs::path& root_;
  JsonFile json_;
  Categories& categories_;
  std::vector<std::int64_t> ids_;
};

}  // namespace

BoxedData read_coco(const BoxImport& request) {
  static const std::regex pattern(R"((?:instances_)?(train|val|test)(\d*)\.json)");
  Categories categories;
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
  categories.settle(data);
  return data;
}

}  // namespace emotion
