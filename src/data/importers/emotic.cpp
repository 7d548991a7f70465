// EMOTIC (Kosti et al., CVPR 2017 and PAMI 2019): one sample a person, with the body's box and several categories.
//
// Annotations.mat: a person of train has one annotator's categories, of val and test several and their union. Labels are the
// union; votes are every annotator's categories, so that a target of counts can be made. The csv conversion in circulation has
// the union alone. The continuous dimensions, age and gender are not kept.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>

#include <fmt/format.h>
#include <matio.h>

#include "csv.h"
#include "emotion/error.h"
#include "emotion/nearest.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 28;  // the published file has about 10 MB

const std::vector<std::string>& emotic_classes() {
  static const std::vector<std::string> classes{
      "Affection",     "Anger",        "Annoyance",       "Anticipation",  "Aversion",   "Confidence", "Disapproval",
      "Disconnection", "Disquietment", "Doubt/Confusion", "Embarrassment", "Engagement", "Esteem",     "Excitement",
      "Fatigue",       "Fear",         "Happiness",       "Pain",          "Peace",      "Pleasure",   "Sadness",
      "Sensitivity",   "Suffering",    "Surprise",        "Sympathy",      "Yearning"};
  return classes;
}

/// The class of a category's name; misspelt as shipped by some copies.
std::string category(std::string_view text, const std::string& place) {
  std::string name = lower_case(trimmed(text));
  if (name == "disquitement") name = "disquietment";
  if (name == "doubt / confusion" || name == "doubt_confusion") name = "doubt/confusion";
  for (const auto& cls : emotic_classes()) {
    if (lower_case(cls) == name) return cls;
  }
  throw DataError(fmt::format("{}: unknown category '{}'{}", place, text, did_you_mean(text, emotic_classes())));
}

void add_distinct(std::vector<std::string>& list, const std::string& word) {
  if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(word);
}

/// x1 y1 x2 y2 to x, y, width, height; nothing if it is empty or not finite. What lies left or above of the picture is cut; what
/// lies right or below is cut when the picture is read, whose size the annotations do not say reliably.
std::optional<std::array<float, 4>> box_of(const std::array<double, 4>& corners) {
  const double left = std::max(corners[0], 0.0), top = std::max(corners[1], 0.0);
  const double width = corners[2] - left, height = corners[3] - top;
  if (!(width > 0) || !(height > 0) || !std::isfinite(width + height)) return std::nullopt;
  return std::array<float, 4>{static_cast<float>(left), static_cast<float>(top), static_cast<float>(width),
                              static_cast<float>(height)};
}

/// Views of MATLAB's variables; every access is checked, since releases differ in their fields.
class Mat {
 public:
  explicit Mat(matvar_t* variable = nullptr) : variable_(variable) {}
  explicit operator bool() const { return variable_ != nullptr; }
  std::size_t size() const {
    if (variable_ == nullptr || variable_->rank < 1) return 0;
    // No more than there is data for, whatever the lengths say.
    const std::size_t most = variable_->nbytes / static_cast<std::size_t>(std::max(variable_->data_size, 1));
    std::size_t count = 1;
    for (int d = 0; d < variable_->rank; ++d) {
      if (__builtin_mul_overflow(count, variable_->dims[d], &count)) return most;
    }
    return std::min(count, most);
  }
  Mat field(const char* name, std::size_t i = 0) const {
    if (variable_ == nullptr || variable_->class_type != MAT_C_STRUCT || i >= size()) return Mat();
    return Mat(Mat_VarGetStructFieldByName(variable_, name, i));
  }
  Mat cell(std::size_t i) const {
    if (variable_ == nullptr || variable_->class_type != MAT_C_CELL || i >= size()) return Mat();
    return Mat(Mat_VarGetCell(variable_, static_cast<int>(i)));
  }
  bool is_cell() const { return variable_ != nullptr && variable_->class_type == MAT_C_CELL; }
  std::string text() const {
    std::string text;
    if (variable_ == nullptr || variable_->class_type != MAT_C_CHAR || variable_->data == nullptr) return text;
    for (std::size_t i = 0; i < variable_->nbytes; i += static_cast<std::size_t>(std::max(variable_->data_size, 1)))
      text += static_cast<const char*>(variable_->data)[i];
    return text;
  }
  double number(std::size_t i) const {
    if (variable_ == nullptr || variable_->data == nullptr || i >= size()) return std::nan("");
    switch (variable_->class_type) {
      case MAT_C_DOUBLE: return static_cast<const double*>(variable_->data)[i];
      case MAT_C_SINGLE: return static_cast<double>(static_cast<const float*>(variable_->data)[i]);
      case MAT_C_INT32: return static_cast<const std::int32_t*>(variable_->data)[i];
      case MAT_C_UINT16: return static_cast<const std::uint16_t*>(variable_->data)[i];
      case MAT_C_INT16: return static_cast<const std::int16_t*>(variable_->data)[i];
      case MAT_C_UINT8: return static_cast<const std::uint8_t*>(variable_->data)[i];
      default: return std::nan("");
    }
  }

 private:
  matvar_t* variable_;
};

/// A cell of names, or a cell of such cells.
std::vector<std::string> categories_of(const Mat& cells, const std::string& place) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cells.size() && cells.is_cell(); ++i) {
    if (cells.cell(i).is_cell()) {
      for (auto& name : categories_of(cells.cell(i), place)) names.push_back(std::move(name));
    } else if (const std::string text = cells.cell(i).text(); !text.empty()) {
      names.push_back(category(text, place));
    }
  }
  return names;
}

struct PersonCounts {
  std::uint64_t images = 0, persons = 0, no_box = 0, no_category = 0, combined = 0;
};

void read_person(const Mat& persons, std::size_t i, const std::string& image, const std::string& split, const std::string& place,
                 PersonCounts& counts, ImportDraft& draft) {
  ++counts.persons;
  Sample sample;
  sample.image = image;
  const Mat box = persons.field("body_bbox", i);
  if (box.size() == 4) sample.box = box_of({box.number(0), box.number(1), box.number(2), box.number(3)});
  const Mat annotations = persons.field("annotations_categories", i);
  for (std::size_t a = 0; a < annotations.size(); ++a) {
    const auto names = categories_of(
        annotations.is_cell() ? annotations.cell(a).field("categories") : annotations.field("categories", a), place);
    sample.votes.insert(sample.votes.end(), names.begin(), names.end());
  }
  const auto combined = categories_of(persons.field("combined_categories", i), place);
  counts.combined += !combined.empty();
  for (const auto& name : combined.empty() ? sample.votes : combined) add_distinct(sample.labels, name);
  if (!sample.box) {
    ++counts.no_box;
    return draft.leave_out(image, place + ": the person has no body box");
  }
  if (sample.labels.empty()) {
    ++counts.no_category;
    return draft.leave_out(image, place + ": the person has no category");
  }
  draft.add(sample, split, {}, place);
}

void read_mat_split(const Mat& images, const std::string& split, const std::string& file, ImportDraft& draft) {
  PersonCounts counts;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string place = fmt::format("{}: {}({})", file, split, i + 1);  // as MATLAB counts
    const std::string name = images.field("filename", i).text(), folder = images.field("folder", i).text();
    if (name.empty()) throw DataError(place + ": it has no filename");
    const std::string image = folder.empty() ? name : folder + "/" + name;
    const Mat persons = images.field("person", i);
    ++counts.images;
    for (std::size_t p = 0; p < persons.size(); ++p)
      read_person(persons, p, image, split, fmt::format("{}.person({})", place, p + 1), counts, draft);
  }
  draft.note("{}: {} images, {} persons, {} with combined categories; {} without box, {} without category", split, counts.images,
             counts.persons, counts.combined, counts.no_box, counts.no_category);
}

void read_mat(const fs::path& file, ImportDraft& draft) {
  if (fs::file_size(file) > kMostBytes)
    throw DataError(fmt::format("{}: has {} bytes, at most {} are read", file.string(), fs::file_size(file), kMostBytes));
  Mat_LogInitFunc("emotion", [](int, auto*) {});  // its own messages would go to the terminal
  const std::unique_ptr<mat_t, int (*)(mat_t*)> mat(Mat_Open(file.c_str(), MAT_ACC_RDONLY), Mat_Close);
  if (!mat) throw DataError(file.string() + ": not a .mat file");
  bool any = false;
  for (const char* split : {"train", "val", "test"}) {
    const std::unique_ptr<matvar_t, void (*)(matvar_t*)> variable(Mat_VarRead(mat.get(), split), Mat_VarFree);
    if (!variable) {
      draft.warn("{} has no variable {}", file.filename().string(), split);
      continue;
    }
    if (variable->class_type != MAT_C_STRUCT) throw DataError(fmt::format("{}: {} is no array of structs", file.string(), split));
    any = true;
    read_mat_split(Mat(variable.get()), split, file.string(), draft);
  }
  if (!any) throw DataError(file.string() + ": neither train nor val nor test is in it; is it damaged?");
}

/// The texts of a Python list: ['Disconnection', "Doubt/Confusion"].
std::vector<std::string> list_texts(std::string_view text, const std::string& place) {
  std::vector<std::string> texts;
  for (std::size_t at = text.find_first_of("'\""); at != std::string_view::npos; at = text.find_first_of("'\"", at + 1)) {
    const std::size_t end = text.find(text[at], at + 1);
    if (end == std::string_view::npos) throw DataError(fmt::format("{}: '{}' is no list of names", place, text));
    texts.emplace_back(text.substr(at + 1, end - at - 1));
    at = end;
  }
  return texts;
}

std::array<double, 4> list_box(std::string_view text, const std::string& place) {
  std::array<double, 4> box{};
  std::size_t count = 0;
  for (std::size_t at = text.find_first_of("-.0123456789"); at != std::string_view::npos && count <= 4;) {
    double value = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
    if (error != std::errc{}) break;
    if (count < 4) box[count] = value;
    ++count;
    at = text.find_first_of("-.0123456789", static_cast<std::size_t>(stop - text.data()));
  }
  if (count != 4) throw DataError(fmt::format("{}: '{}' is not [x1, y1, x2, y2]", place, text));
  return box;
}

void read_csv(const fs::path& file, const std::string& split, ImportDraft& draft) {
  const CsvTable table = CsvTable::read(file);
  const std::size_t folder = csv_column(table.header, "Folder", file), name = csv_column(table.header, "Filename", file),
                    box = csv_column(table.header, "BBox", file), labels = csv_column(table.header, "Categorical_Labels", file);
  for (const auto& row : table.rows) {
    const std::string place = fmt::format("{}:{}", file.string(), row.line);
    Sample sample;
    sample.image = fmt::format("{}/{}", trimmed(row.fields[folder]), trimmed(row.fields[name]));
    for (const auto& text : list_texts(row.fields[labels], place)) add_distinct(sample.labels, category(text, place));
    sample.box = box_of(list_box(row.fields[box], place));
    if (!sample.box || sample.labels.empty()) {
      draft.leave_out(sample.image, place + (sample.box ? ": the person has no category" : ": the person has no body box"));
      continue;
    }
    draft.add(sample, split, {}, place);
  }
  draft.note("{}: {} persons", file.filename().string(), table.rows.size());
}

bool has_pictures(const fs::path& folder) {
  return fs::is_directory(folder / "mscoco") || fs::is_directory(folder / "framesdb") ||
         fs::is_directory(folder / "emodb_small") || fs::is_directory(folder / "ade20k");
}

}  // namespace

void read_emotic(const fs::path& root, ImportDraft& draft) {
  draft.classes = emotic_classes();
  draft.image_root = find_folder(root, {"emotic", "emotic/emotic", "cvpr_emotic"}, has_pictures);
  if (draft.image_root.empty())
    throw DataError(root.string() +
                    ": the pictures' folders mscoco, framesdb, emodb_small, ade20k are missing (looked in it and emotic/)");
  for (const char* name :
       {"Annotations/Annotations.mat", "Annotations.mat", "annotations/Annotations.mat", "emotic/Annotations/Annotations.mat",
        "CVPR17_Annotations.mat", "Annotations/CVPR17_Annotations.mat"}) {
    if (!fs::is_regular_file(root / name)) continue;
    draft.note("annotations of {}", name);
    return read_mat(root / name, draft);
  }
  const fs::path tables = find_folder(root, {"Annotations", "annotations", "emotic_pre", "csv", "emotic"},
                                      [](const fs::path& f) { return fs::is_regular_file(f / "train.csv"); });
  if (tables.empty()) throw DataError(root.string() + ": neither Annotations/Annotations.mat nor train.csv is there");
  draft.note("csv tables in {}: combined labels, no votes", tables.string());
  for (const char* split : {"train", "val", "test"}) {
    if (fs::is_regular_file(tables / fmt::format("{}.csv", split))) {
      read_csv(tables / fmt::format("{}.csv", split), split, draft);
    } else {
      draft.warn("{}.csv is missing", split);
    }
  }
}

}  // namespace emotion
