#include "boxes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "draft.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"

namespace emotion {
namespace fs = std::filesystem;

JsonFile::JsonFile(fs::path file) : file_(std::move(file)) {
  const MappedFile mapped(file_);
  if (const auto error = parser_.parse(simdjson::padded_string(mapped.text())).get(root_); error != simdjson::SUCCESS)
    refuse(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
}

void JsonFile::refuse(const std::string& what) const { throw DataError(file_.string() + ": " + what); }

std::int64_t JsonFile::number(const simdjson::dom::element& entry, const char* key, const std::string& what) const {
  std::int64_t value = 0;
  if (entry[key].get(value) != simdjson::SUCCESS) refuse(fmt::format("{}: '{}' is not a whole number", what, key));
  return value;
}

double JsonFile::real(const simdjson::dom::element& entry, const char* key, const std::string& what) const {
  double value = 0;
  if (entry[key].get(value) != simdjson::SUCCESS) refuse(fmt::format("{}: '{}' is not a number", what, key));
  return value;
}

int JsonFile::side(const simdjson::dom::element& entry, const char* key, const std::string& what) const {
  const std::int64_t value = number(entry, key, what);
  if (value < 1 || value > 1 << 20) refuse(fmt::format("{}: '{}' is {}; 1 to 2^20 pixels are possible", what, key, value));
  return static_cast<int>(value);
}

std::array<float, 4> JsonFile::corners(double x, double y, double width, double height, const std::string& what) const {
  std::array<float, 4> box{};
  std::size_t i = 0;
  for (const double value : {x, y, x + width, y + height}) {
    if (!(std::abs(value) <= std::numeric_limits<float>::max()))
      refuse(fmt::format("{}: its box {:g} {:g} {:g} {:g} is out of range", what, x, y, width, height));
    box[i++] = static_cast<float>(value);
  }
  return box;
}

std::string JsonFile::text(const simdjson::dom::element& entry, const char* key, const std::string& what) const {
  std::string_view value;
  if (entry[key].get(value) != simdjson::SUCCESS || value.empty()) refuse(fmt::format("{}: '{}' is not a text", what, key));
  return std::string(value);
}

simdjson::dom::array JsonFile::list(const simdjson::dom::element& entry, const char* key) const {
  simdjson::dom::array array;
  if (entry[key].get(array) != simdjson::SUCCESS) refuse(fmt::format("there is no list '{}'", key));
  return array;
}

namespace {

/// The classes in a picture, each once, in class order.
std::vector<std::string> labels(const BoxedPicture& picture, const std::vector<std::string>& classes) {
  std::vector<std::uint32_t> ids;
  for (const AnnotatedBox& box : picture.boxes) ids.push_back(box.label);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<std::string> names;
  for (const std::uint32_t id : ids) names.push_back(classes[id]);
  return names;
}

void list_missing(const BoxImport& request, const MissingPictures& missing) {
  make_dataset_folder(request.out);
  const fs::path list = request.out / "missing.txt";
  write_pairs(list, missing);
  log_warning("{}: {} pictures are left out with their boxes, listed with the reason in {}", request.format, missing.size(),
              list.string());
}

void compare(const BoxImport& request, const BoxedData& data) {
  if (data.published.splits.empty()) return;
  FoundCounts found;
  for (const BoxedSplit& split : data.splits) {
    found.samples += split.pictures.size();
    found.splits[data.drawn ? "" : split.name] += split.pictures.size();
  }
  compare_counts(request.format, found, data.published);
}

void write(const BoxImport& request, const BoxedData& data, Dataset dataset) {
  make_dataset_folder(request.out);
  dataset.name = request.format;
  dataset.classes = data.classes;
  dataset.image_root = image_root_from(request.root, request.out);
  for (const BoxedSplit& split : data.splits) {
    ManifestWriter manifest(request.out / (split.name + ".jsonl"));
    AnnotationWriter annotations(data.classes);
    std::uint64_t boxes = 0;
    for (const BoxedPicture& picture : split.pictures) {
      manifest.write({.image = picture.image,
                      .labels = labels(picture, data.classes),
                      .keywords = {},
                      .votes = {},
                      .box = {},
                      .face = {},
                      .regions = {}});
      annotations.add(picture.image, picture.width, picture.height, picture.boxes);
      boxes += picture.boxes.size();
    }
    manifest.close();
    annotations.write(Annotations::file_of(dataset, split.name));
    dataset.splits.emplace_back(split.name, split.name + ".jsonl");
    log_info("{}: split {}: {} pictures, {} boxes", request.format, split.name, split.pictures.size(), boxes);
  }
  dataset.save();  // last: a folder without it is no data set
}

}  // namespace

bool has_boxes(const std::string& format) { return format == "coco" || format == "visualgenome"; }

void import_boxes(const BoxImport& request) {
  if (fs::exists(request.out / "dataset.yaml"))
    throw ConfigError(request.out.string() + ": there is a data set already; give another --out");
  if (!fs::is_directory(request.root)) throw DataError(request.root.string() + ": --root is not a folder");
  BoxedData data = request.format == "coco" ? read_coco(request) : read_visual_genome(request);
  std::erase_if(data.splits, [](const BoxedSplit& split) { return split.pictures.empty(); });
  Dataset dataset;
  dataset.root = request.out;
  SplitFiles files(dataset, data.splits, /*annotations=*/true);  // the published ones may be called so
  if (!data.missing.empty()) list_missing(request, data.missing);
  if (data.splits.empty()) throw DataError(request.root.string() + ": none of the annotated pictures is there");
  write(request, data, std::move(dataset));
  files.keep();
  compare(request, data);
}

}  // namespace emotion
