// Visual Genome (Krishna et al., 2017): objects.json, image_data.json, VG_100K/ID.jpg, VG_100K_2/ID.jpg; the vocabulary and the
// split lists of bottom-up attention (Anderson et al., 2018) where they lie beside them.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "boxes.h"
#include "draft.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kClasses = 1600;

struct Vocabulary {
  std::vector<std::string> classes;
  std::unordered_map<std::string, std::uint32_t> ids;  // synonyms too

  static Vocabulary read(const fs::path& file) {
    Vocabulary vocabulary;
    std::unordered_set<std::string> names;
    for (const TextLine& line : read_lines(file)) {
      const auto words = pieces(lower_case(line.text), ',');
      for (const std::string& word : words) vocabulary.ids.emplace(word, static_cast<std::uint32_t>(vocabulary.classes.size()));
      if (!names.insert(words[0]).second)
        throw DataError(fmt::format("{}:{}: class '{}' stands twice", file.string(), line.number, words[0]));
      vocabulary.classes.push_back(words[0]);
    }
    if (vocabulary.classes.empty()) throw DataError(file.string() + ": the file is empty; a class a line is wanted");
    return vocabulary;
  }

  /// The most frequent names, equal ones in alphabetical order.
  static Vocabulary count(const JsonFile& json) {
    std::map<std::string, std::uint64_t> counts;
    dom::array images;
    if (json.root().get(images) != simdjson::SUCCESS) json.refuse("a list of images is wanted");
    for (const dom::element image : images) {
      for (const dom::element object : json.list(image, "objects")) {
        for (const dom::element name : json.list(object, "names")) {
          std::string_view text;
          if (name.get(text) == simdjson::SUCCESS && !trimmed(text).empty()) ++counts[lower_case(trimmed(text))];
        }
      }
    }
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    Vocabulary vocabulary;
    for (const auto& [name, occurrences] : sorted) {
      if (vocabulary.classes.size() == kClasses) break;
      vocabulary.ids.emplace(name, static_cast<std::uint32_t>(vocabulary.classes.size()));
      vocabulary.classes.push_back(name);
    }
    if (vocabulary.classes.empty()) json.refuse("there is no object in it");
    return vocabulary;
  }
};

/// Pictures by id, with their sizes.
std::unordered_map<std::int64_t, BoxedPicture> read_pictures(const fs::path& root, MissingPictures& missing) {
  const JsonFile json(root / "image_data.json");
  std::unordered_map<std::int64_t, BoxedPicture> pictures;
  dom::array images;
  if (json.root().get(images) != simdjson::SUCCESS) json.refuse("a list of images is wanted");
  for (const dom::element image : images) {
    std::int64_t id = 0;  // `id` in version 1.0
    if (image["image_id"].get(id) != simdjson::SUCCESS) id = json.number(image, "id", "an image");
    const std::string what = fmt::format("image {}", id);
    BoxedPicture picture{
        .image = {}, .width = json.side(image, "width", what), .height = json.side(image, "height", what), .boxes = {}};
    std::string problem = "no such file in VG_100K, VG_100K_2 and images";
    for (const char* folder : {"VG_100K", "VG_100K_2", "images"}) {
      const std::string name = fmt::format("{}/{}.jpg", folder, id);
      if (!fs::exists(root / name)) continue;
      problem = picture_problem(root / name);
      if (problem.empty()) picture.image = name;
      break;
    }
    if (!problem.empty()) missing.emplace_back(fmt::format("{}.jpg", id), problem);
    if (!pictures.emplace(id, std::move(picture)).second) json.refuse(fmt::format("image {} stands twice", id));
  }
  return pictures;
}

void add_objects(const JsonFile& json, const Vocabulary& vocabulary, std::unordered_map<std::int64_t, BoxedPicture>& pictures) {
  dom::array images;
  if (json.root().get(images) != simdjson::SUCCESS) json.refuse("a list of images is wanted");
  for (const dom::element image : images) {
    std::int64_t id = 0;
    if (image["image_id"].get(id) != simdjson::SUCCESS) id = json.number(image, "id", "an image");
    const auto picture = pictures.find(id);
    if (picture == pictures.end()) json.refuse(fmt::format("image {} is not in image_data.json", id));
    for (const dom::element object : json.list(image, "objects")) {
      const std::string what = fmt::format("image {}: an object", id);
      const double x = json.real(object, "x", what), y = json.real(object, "y", what), w = json.real(object, "w", what),
                   h = json.real(object, "h", what);
      for (const dom::element name : json.list(object, "names")) {
        std::string_view text;
        if (name.get(text) != simdjson::SUCCESS) continue;
        const auto label = vocabulary.ids.find(lower_case(trimmed(text)));
        if (label == vocabulary.ids.end()) continue;
        picture->second.boxes.push_back({json.corners(x, y, w, h, what), label->second, w * h});
        break;
      }
    }
  }
}

/// Ids of a list with lines `VG_100K_2/2405620.jpg xml/2405620.xml`.
std::vector<std::int64_t> listed(const fs::path& file) {
  std::vector<std::int64_t> ids;
  std::unordered_set<std::int64_t> seen;
  for (const TextLine& line : read_lines(file)) {
    const std::string stem = fs::path(pieces(line.text, ' ')[0]).stem().string();
    if (stem.empty() || stem.size() > 15 || stem.find_first_not_of("0123456789") != std::string::npos)
      throw DataError(fmt::format("{}:{}: '{}' is no picture of Visual Genome", file.string(), line.number, line.text));
    ids.push_back(std::stoll(stem));
    if (!seen.insert(ids.back()).second)
      throw DataError(fmt::format("{}:{}: picture {} stands twice", file.string(), line.number, stem));
  }
  return ids;
}

}  // namespace

BoxedData read_visual_genome(const BoxImport& request) {
  BoxedData data;
  data.published.splits = {{"train", 98077}, {"val", 5000}, {"test", 5000}};  // of bottom-up attention's lists
  auto pictures = read_pictures(request.root, data.missing);
  {
    const JsonFile objects(request.root / "objects.json");
    const fs::path words = request.root / "objects_vocab.txt";
    Vocabulary vocabulary = fs::exists(words) ? Vocabulary::read(words) : Vocabulary::count(objects);
    add_objects(objects, vocabulary, pictures);
    data.classes = std::move(vocabulary.classes);
  }
  const auto take = [&](BoxedSplit& split, std::int64_t id) {
    const auto found = pictures.find(id);
    if (found != pictures.end() && !found->second.image.empty()) split.pictures.push_back(found->second);
  };
  if (fs::exists(request.root / "train.txt") && request.split.empty()) {
    for (const char* name : {"train", "val", "test"}) {
      if (!fs::exists(request.root / (std::string(name) + ".txt"))) continue;
      data.splits.push_back({.name = name, .pictures = {}});
      for (const std::int64_t id : listed(request.root / (std::string(name) + ".txt"))) take(data.splits.back(), id);
    }
    return data;
  }
  data.drawn = true;
  std::vector<std::int64_t> ids;
  for (const auto& [id, picture] : pictures) {
    if (!picture.image.empty()) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  const SplitRatio ratio = SplitRatio::parse(request.split.empty() ? "80/20" : request.split);
  const auto parts = draw_split(ids.size(), ratio, request.seed);
  for (std::size_t part = 0; part < parts.size(); ++part) {
    data.splits.push_back({.name = ratio.names()[part], .pictures = {}});
    for (const std::size_t place : parts[part]) take(data.splits.back(), ids[place]);
  }
  return data;
}

}  // namespace emotion
