// AffectNet (Mollahosseini et al., 2017): the csv lists of the full release, the .npy files of the small one, or folders by id.
//
// Class order is that of the ids. The papers use the first seven (EmotionNet, Sec. 5.3); affectnet8 adds contempt. Rows of
// other ids (none, uncertain, no face) are no samples. The face's box becomes the sample's box. Valence and arousal are not kept.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "csv.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"
#include "formats.h"
#include "npy.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kIds = 11;
constexpr std::array<const char*, kIds> kNames{"neutral", "happy",    "sad",  "surprise",  "fear",   "disgust",
                                               "anger",   "contempt", "none", "uncertain", "no face"};

/// How many rows each id had, for the log.
using IdCounts = std::array<std::uint64_t, kIds>;

void tell_others(const IdCounts& counts, const std::string& what, const ImportDraft& draft) {
  std::string others;
  for (std::size_t id = draft.classes.size(); id < kIds; ++id) {
    if (counts[id] > 0) others += fmt::format("{}{} {}", others.empty() ? "" : ", ", kNames[id], counts[id]);
  }
  draft.note("{}: {} passed over", what, others.empty() ? "no row" : others);
}

float number(const std::string& field, const std::string& place) {
  const std::string_view text = trimmed(field);
  float value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size() || !std::isfinite(value))
    throw DataError(fmt::format("{}: '{}' is no number", place, text));
  return value;
}

std::size_t expression_id(double value, const std::string& place) {
  if (!(value >= 0) || value >= static_cast<double>(kIds) || value != std::floor(value))
    throw DataError(fmt::format("{}: expression is {}; 0 to 10 is wanted", place, value));
  return static_cast<std::size_t>(value);
}

struct ListColumns {
  std::size_t path = 0, x = 1, y = 2, width = 3, height = 4, expression = 6;
  std::size_t count = 9;

  static ListColumns of(const std::vector<std::string>& header, const fs::path& file) {
    return {csv_column(header, "subDirectory_filePath", file),
            csv_column(header, "face_x", file),
            csv_column(header, "face_y", file),
            csv_column(header, "face_width", file),
            csv_column(header, "face_height", file),
            csv_column(header, "expression", file),
            header.size()};
  }
};

/// Some copies have a pandas index before it, or spell it in small letters.
bool is_header(const std::vector<std::string>& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [](const auto& field) { return lower_case(trimmed(field)) == "subdirectory_filepath"; });
}

/// A row's path below the root: written on Windows in some copies, and with the pictures' folder in some.
std::string listed_image(const std::string& field, const std::string& prefix, const std::string& place) {
  constexpr std::string_view kFolder = "Manually_Annotated_Images/";
  std::string path(trimmed(field));
  std::replace(path.begin(), path.end(), '\\', '/');
  if (path.starts_with('/') || (path.size() > 2 && path[1] == ':' && path[2] == '/'))
    throw DataError(fmt::format("{}: '{}' is an absolute path, NUMBER/FILE is wanted", place, trimmed(field)));
  if (!prefix.empty() && path.starts_with(kFolder)) path.erase(0, kFolder.size());
  return prefix + path;
}

void read_list(const fs::path& file, const std::string& split, const std::string& prefix, ImportDraft& draft) {
  const MappedFile map(file);
  CsvReader reader(map.text(), file);
  CsvReader::Row row;
  ListColumns columns;
  IdCounts counts{};
  bool first = true;
  while (reader.next(row)) {
    if (first) {  // validation.csv is in circulation with a header and without
      first = false;
      const bool header = is_header(row.fields);
      draft.note("{}: {} header line", file.filename().string(), header ? "with a" : "without a");
      if (header) {
        columns = ListColumns::of(row.fields, file);
        continue;
      }
    }
    const std::string place = fmt::format("{}:{}", file.string(), row.line);
    if (row.fields.size() != columns.count)
      throw DataError(fmt::format("{}: {} fields, {} are wanted", place, row.fields.size(), columns.count));
    const std::size_t id = expression_id(number(row.fields[columns.expression], place), place);
    ++counts[id];
    if (id >= draft.classes.size()) continue;
    Sample sample = labelled(listed_image(row.fields[columns.path], prefix, place), draft.classes[id]);
    const std::array<float, 4> box{number(row.fields[columns.x], place), number(row.fields[columns.y], place),
                                   number(row.fields[columns.width], place), number(row.fields[columns.height], place)};
    if (box[2] > 0 && box[3] > 0) sample.box = box;
    draft.add(sample, split, {}, place);
  }
  tell_others(counts, file.filename().string(), draft);
}

fs::path find_list(const fs::path& root, const char* name) {
  for (const char* folder : {"Manually_Annotated_file_lists", "Manually_Annotated", ""}) {
    if (fs::is_regular_file(root / folder / name)) return root / folder / name;
  }
  return {};
}

void read_lists(const fs::path& root, const fs::path& training, ImportDraft& draft) {
  std::string prefix;
  draft.image_root = root;
  for (const char* folder : {"Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", "Manually_Annotated"}) {
    if (fs::is_directory(root / folder)) {
      prefix = std::string(folder) + "/";
      break;
    }
  }
  read_list(training, "train", prefix, draft);
  if (const fs::path validation = find_list(root, "validation.csv"); !validation.empty()) {
    read_list(validation, "val", prefix, draft);
  } else {
    draft.warn("validation.csv is missing");
  }
}

/// NUMBER_exp.npy beside images/NUMBER.jpg.
void read_annotations(const fs::path& root, const std::string& part, const std::string& split, ImportDraft& draft) {
  IdCounts counts{};
  std::map<std::string, std::string> pictures;
  for (const auto& file : files_of(root, fs::path(part) / "images")) pictures.emplace(fs::path(file).stem().string(), file);
  for (const auto& file : files_of(root, fs::path(part) / "annotations")) {
    if (!file.ends_with("_exp.npy")) continue;
    const std::string name = fs::path(file).filename().string();
    const std::string key = name.substr(0, name.size() - std::string("_exp.npy").size());
    const auto values = read_npy(root / file);
    if (values.size() != 1) throw DataError(fmt::format("{}: {} values, one is wanted", (root / file).string(), values.size()));
    const std::size_t id = expression_id(values[0], (root / file).string());
    ++counts[id];
    if (id >= draft.classes.size()) continue;
    const auto found = pictures.find(key);
    const std::string image = found == pictures.end() ? part + "/images/" + key + ".jpg" : found->second;
    draft.add(labelled(image, draft.classes[id]), split);
  }
  tell_others(counts, part, draft);
}

/// PART/0 .. PART/7.
bool add_id_folders(const fs::path& root, const std::string& part, const std::string& split, ImportDraft& draft) {
  bool any = false;
  for (std::size_t id = 0; id < draft.classes.size(); ++id) {
    const fs::path folder = fs::path(part) / std::to_string(id);
    if (!fs::is_directory(root / folder)) continue;
    any = true;
    for (const auto& file : files_of(root, folder)) {
      if (has_picture_name(file)) draft.add(labelled(file, draft.classes[id]), split);
    }
  }
  return any;
}

void read(const fs::path& root, std::size_t classes, ImportDraft& draft) {
  for (std::size_t id = 0; id < classes; ++id) draft.classes.emplace_back(kNames[id]);
  if (const fs::path training = find_list(root, "training.csv"); !training.empty()) {
    draft.note("lists of the full release");
    return read_lists(root, training, draft);
  }
  draft.image_root = root;
  if (fs::is_directory(root / "train_set/annotations")) {
    draft.note("annotations of the small release (.npy)");
    read_annotations(root, "train_set", "train", draft);
    if (fs::is_directory(root / "val_set/annotations")) read_annotations(root, "val_set", "val", draft);
    return;
  }
  bool any = false;
  using Part = std::pair<const char*, const char*>;
  for (const auto& [part, split] : {Part{"train_set", "train"}, Part{"train", "train"}, Part{"val_set", "val"},
                                    Part{"val", "val"}, Part{"valid", "val"}, Part{"test", "test"}})
    any = add_id_folders(root, part, split, draft) || any;
  if (!any)
    throw DataError(root.string() + ": neither training.csv, nor train_set/annotations, nor folders train/0 .. are there");
  draft.note("folders by class id");
}

}  // namespace

void read_affectnet(const fs::path& root, ImportDraft& draft) { read(root, 7, draft); }
void read_affectnet8(const fs::path& root, ImportDraft& draft) { read(root, 8, draft); }

}  // namespace emotion
