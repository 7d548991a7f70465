#include "emotion/data/annotations.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>
#include <simdjson.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

namespace dom = simdjson::dom;
using Id = std::int64_t;

/// One file; every error names it.
class Reader {
 public:
  Reader(const Manifest& manifest, std::filesystem::path file) : manifest_(manifest), file_(std::move(file)) {}

  Annotations read() {
    const MappedFile mapped(file_);
    const simdjson::padded_string text(mapped.text());
    dom::parser parser;
    dom::element root;
    if (const auto error = parser.parse(text).get(root); error != simdjson::SUCCESS)
      refuse(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
    read_categories(list(root, "categories"));
    read_images(list(root, "images"));
    read_annotations(list(root, "annotations"));
    if (dropped_ > 0) log_warning("{}: {} boxes have no area within their picture and are passed over", file_.string(), dropped_);
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw DataError(file_.string() + ": " + what); }

  dom::array list(const dom::element& root, const char* key) const {
    dom::array array;
    if (root[key].get(array) != simdjson::SUCCESS)
      refuse(fmt::format("there is no list '{}'; a COCO file has images, annotations and categories", key));
    return array;
  }
  Id id(const dom::element& entry, const char* key, const std::string& what) const {
    Id value = 0;
    if (entry[key].get(value) != simdjson::SUCCESS) refuse(fmt::format("{}: '{}' is not a whole number", what, key));
    return value;
  }
  std::string text(const dom::element& entry, const char* key, const std::string& what) const {
    std::string_view value;
    if (entry[key].get(value) != simdjson::SUCCESS || value.empty()) refuse(fmt::format("{}: '{}' is not a text", what, key));
    return std::string(value);
  }

  void read_categories(const dom::array& entries) {
    std::map<Id, std::string> names;
    std::size_t number = 0;
    for (const dom::element entry : entries) {
      const std::string what = fmt::format("category {} of the list", ++number);
      const Id category = id(entry, "id", what);
      const std::string name = text(entry, "name", what);
      for (const auto& [other, taken] : names) {
        if (other == category) refuse(fmt::format("category id {} stands twice", category));
        if (taken == name) refuse(fmt::format("category '{}' has the ids {} and {}", name, other, category));
      }
      names.emplace(category, name);
    }
    if (names.empty()) refuse("'categories' is empty");
    for (const auto& [category, name] : names) {
      labels_.emplace(category, static_cast<std::uint32_t>(result_.classes.size()));
      result_.classes.push_back(name);
    }
  }

  void read_images(const dom::array& entries) {
    std::unordered_map<std::string_view, std::size_t> samples;
    for (std::size_t i = 0; i < manifest_.size(); ++i) samples.emplace(manifest_[i].image, i);
    result_.boxes.resize(manifest_.size());
    result_.sizes.resize(manifest_.size());
    std::vector<bool> found(manifest_.size());
    std::size_t number = 0;
    for (const dom::element entry : entries) {
      const std::string what = fmt::format("image {} of the list", ++number);
      const Id image = id(entry, "id", what), width = id(entry, "width", what), height = id(entry, "height", what);
      const std::string name = text(entry, "file_name", what);
      if (width < 1 || height < 1 || width > 1 << 20 || height > 1 << 20)
        refuse(fmt::format("image id {}: {} x {} pixels", image, width, height));
      const auto sample = samples.find(name);
      const bool known = sample != samples.end();
      if (!images_.emplace(image, known ? static_cast<std::ptrdiff_t>(sample->second) : -1).second)
        refuse(fmt::format("image id {} stands twice", image));
      if (!known) continue;
      if (found[sample->second]) refuse("image " + name + " stands twice");
      found[sample->second] = true;
      result_.sizes[sample->second] = {static_cast<int>(width), static_cast<int>(height)};
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!found[i])
        throw DataError(fmt::format("{}: image {} has no entry in {}", manifest_.place(i), manifest_[i].image, file_.string()));
    }
  }

  void read_annotations(const dom::array& entries) {
    std::unordered_set<Id> seen;
    std::size_t number = 0;
    for (const dom::element entry : entries) {
      ++number;
      Id own = 0;
      const bool has_id = entry["id"].get(own) == simdjson::SUCCESS;
      if (has_id && !seen.insert(own).second) refuse(fmt::format("annotation id {} stands twice", own));
      const std::string what = has_id ? fmt::format("annotation {}", own) : fmt::format("annotation {} of the list", number);
      const Id image = id(entry, "image_id", what), category = id(entry, "category_id", what);
      const auto sample = images_.find(image);
      if (sample == images_.end()) refuse(fmt::format("{}: image_id {} is not in 'images'", what, image));
      const auto label = labels_.find(category);
      if (label == labels_.end()) refuse(fmt::format("{}: category_id {} is not in 'categories'", what, category));
      if (sample->second >= 0) add(static_cast<std::size_t>(sample->second), entry, label->second, what);
    }
  }

  void add(std::size_t sample, const dom::element& entry, std::uint32_t label, const std::string& what) {
    dom::array numbers;
    std::array<double, 4> box{};
    std::size_t count = 0;
    bool valid = entry["bbox"].get(numbers) == simdjson::SUCCESS;
    if (valid) {
      for (const dom::element value : numbers) {
        double number = 0;
        valid = valid && count < 4 && value.get(number) == simdjson::SUCCESS && std::isfinite(number);
        if (valid) box[count++] = number;
      }
    }
    if (!valid || count != 4) refuse(what + ": bbox is not a list of four numbers x y width height");
    double area = box[2] * box[3];
    if (double own = 0; entry["area"].get(own) == simdjson::SUCCESS) area = own;
    Id crowd = 0;
    if (entry["iscrowd"].get(crowd) != simdjson::SUCCESS) crowd = 0;
    const double width = result_.sizes[sample][0], height = result_.sizes[sample][1];
    const std::array<float, 4> corners{static_cast<float>(std::clamp(box[0], 0.0, width)),
                                       static_cast<float>(std::clamp(box[1], 0.0, height)),
                                       static_cast<float>(std::clamp(box[0] + box[2], 0.0, width)),
                                       static_cast<float>(std::clamp(box[1] + box[3], 0.0, height))};
    if (!(corners[2] > corners[0] && corners[3] > corners[1])) {
      ++dropped_;
      return;
    }
    result_.boxes[sample].push_back({corners, label, area, crowd != 0});
  }

  const Manifest& manifest_;
  std::filesystem::path file_;
  Annotations result_;
  std::unordered_map<Id, std::uint32_t> labels_;   // of category ids
  std::unordered_map<Id, std::ptrdiff_t> images_;  // id -> sample; -1: not in the manifest
  std::size_t dropped_ = 0;
};

}  // namespace

std::filesystem::path Annotations::file_of(const Dataset& dataset, const std::string& split) {
  return dataset.root / "annotations" / (split + ".json");
}

Annotations Annotations::read(const Manifest& manifest) {
  const std::filesystem::path file = file_of(manifest.dataset(), manifest.split());
  if (!std::filesystem::exists(file))
    throw DataError(file.string() + ": there are no annotations; a detector needs boxes in COCO's format beside the manifest");
  return Reader(manifest, file).read();
}

void Annotations::relabel(const std::vector<std::string>& names, const std::filesystem::path& file) {
  std::vector<std::uint32_t> places;
  for (const std::string& name : classes) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw DataError(
          fmt::format("{}: category '{}' is none of the detector's classes{}", file.string(), name, did_you_mean(name, names)));
    }
    places.push_back(static_cast<std::uint32_t>(found - names.begin()));
  }
  for (auto& sample : boxes) {
    for (auto& box : sample) box.label = places[box.label];
  }
  classes = names;
}

void Annotations::check_size(const Manifest& manifest, std::size_t sample, std::int64_t width, std::int64_t height) const {
  const auto [w, h] = sizes.at(sample);
  if (width == w && height == h) return;
  throw DataError(
      fmt::format("{}: the picture is {} x {} pixels, its annotations say {} x {}", manifest.place(sample), width, height, w, h));
}

void AnnotationWriter::add(const std::string& image, int width, int height, const std::vector<AnnotatedBox>& boxes) {
  pictures_.push_back({image, width, height, boxes});
}

void AnnotationWriter::write(const std::filesystem::path& file) const {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) throw RunError(file.parent_path().string() + ": cannot be made: " + error.message());
  write_file_atomically(file, [&](std::ostream& out) {
    const auto text = [](const std::string& value) { return nlohmann::json(value).dump(); };
    const char* comma = "";
    out << "{\"images\":[\n";
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      const Picture& picture = pictures_[i];
      out << comma
          << fmt::format(R"({{"id":{},"file_name":{},"width":{},"height":{}}})", i + 1, text(picture.image), picture.width,
                         picture.height);
      comma = ",\n";
    }
    out << "],\n\"annotations\":[\n";
    comma = "";
    std::size_t number = 0;
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      for (const AnnotatedBox& b : pictures_[i].boxes) {
        out << comma
            << fmt::format(R"({{"id":{},"image_id":{},"category_id":{},"bbox":[{},{},{},{}],"area":{},"iscrowd":{}}})", ++number,
                           i + 1, b.label + 1, b.box[0], b.box[1], b.box[2] - b.box[0], b.box[3] - b.box[1], b.area,
                           b.crowd ? 1 : 0);
        comma = ",\n";
      }
    }
    out << "],\n\"categories\":[\n";
    comma = "";
    for (std::size_t k = 0; k < classes_.size(); ++k) {
      out << comma << fmt::format(R"({{"id":{},"name":{}}})", k + 1, text(classes_[k]));
      comma = ",\n";
    }
    out << "]}\n";
  });
}

}  // namespace emotion
