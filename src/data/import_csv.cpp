#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/import_plain.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/signals.h"
#include "image_path.h"
#include "importers/csv.h"
#include "importers/files.h"
#include "importers/plain_dataset.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> split_field(const std::string& field, const std::string& separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= field.size();) {
    const std::size_t end = separator.empty() ? field.size() : std::min(field.find(separator, begin), field.size());
    std::string part = field.substr(begin, end - begin);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    if (!part.empty() && std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
    begin = end + std::max<std::size_t>(separator.size(), 1);
  }
  return parts;
}

/// An absolute path below `root`, as it is written or as the disk has it, becomes one relative to it; others stay as they are.
std::string relative_to(const fs::path& root, const std::string& image) {
  if (!fs::path(image).is_absolute()) return image;
  std::error_code ignored;
  for (const fs::path& base : {fs::absolute(root), fs::canonical(root, ignored)}) {
    const fs::path relative = fs::path(image).lexically_normal().lexically_relative(base.lexically_normal());
    if (!relative.empty() && *relative.begin() != ".." && relative != ".") return relative.generic_string();
  }
  return image;
}

/// The rows of a table as samples.
class CsvRows {
 public:
  explicit CsvRows(const CsvImport& options)
      : options_(options),
        table_(CsvTable::read(options.file, '"', wanted_columns(options))),
        image_(table_.column(options.image_column)),
        label_(table_.column(options.label_column)) {
    if (!options.keywords_column.empty()) keywords_ = table_.column(options.keywords_column);
    if (!options.split_column.empty()) split_ = table_.column(options.split_column);
    for (const auto& row : table_.rows) {
      if (stop_requested()) throw Interrupted("import: interrupted; nothing was written");
      add(row);
    }
    if (samples.empty()) throw DataError(options.file.string() + ": no rows below the header");
  }

  std::vector<Sample> samples;
  std::set<std::string> classes;

  /// The samples by the names in the split column. @throws DataError with the line of what is no name
  SplitSamples by_column() const {
    SplitSamples splits;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::string& name = table_.rows[i].fields[split_];
      if (name.empty() || name.find('/') != std::string::npos)
        throw DataError(fmt::format("{}: '{}' is no name of a split", place(table_.rows[i]), name));
      auto found = std::find_if(splits.begin(), splits.end(), [&](const auto& split) { return split.first == name; });
      if (found == splits.end()) found = splits.insert(splits.end(), {name, {}});
      found->second.push_back(samples[i]);
    }
    return splits;
  }

 private:
  static std::vector<std::string> wanted_columns(const CsvImport& options) {
    std::vector<std::string> columns{options.image_column, options.label_column, options.keywords_column, options.split_column};
    std::erase(columns, "");
    return columns;
  }

  std::string place(const CsvTable::Row& row) const { return fmt::format("{}:{}", options_.file.string(), row.line); }

  void add(const CsvTable::Row& row) {
    Sample sample;
    sample.labels = split_field(row.fields[label_], options_.separator);
    if (sample.labels.empty()) throw DataError(place(row) + ": the label is empty");
    try {
      sample.image = checked_path(row.fields[image_]);
    } catch (const DataError& error) {
      throw DataError(place(row) + ": " + error.what());
    }
    refuse_repeated(row, sample);
    classes.insert(sample.labels.begin(), sample.labels.end());
    if (!options_.keywords_column.empty()) sample.keywords = split_field(row.fields[keywords_], options_.separator);
    samples.push_back(std::move(sample));
  }

  std::string checked_path(const std::string& field) const {
    const std::string image = relative_to(options_.root, field);
    path_below(options_.root, image);
    const fs::path file = options_.root / plain_path(image);
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (!fs::status_known(status)) throw DataError(fmt::format("{}: {}", file.string(), error.message()));
    if (!fs::is_regular_file(status)) {
      throw DataError(fmt::format("{}: no such image{}", file.string(),
                                  image.find('\\') != std::string::npos ? "; use / between folders" : ""));
    }
    return plain_path(image);
  }

  void refuse_repeated(const CsvTable::Row& row, const Sample& sample) {
    const auto [first, added] = number_.emplace(sample.image, samples.size());
    if (added) return;
    const std::vector<std::string>& labels = samples[first->second].labels;
    std::string advice;
    if (labels != sample.labels && !options_.separator.empty()) {
      advice = fmt::format(", with another label; several labels of a picture go into one field: \"{}{}{}\"", labels[0],
                           options_.separator, sample.labels[0]);
    }
    throw DataError(fmt::format("{}: image {} stands in line {} as well{}", place(row), sample.image,
                                table_.rows[first->second].line, advice));
  }

  const CsvImport& options_;
  CsvTable table_;
  std::size_t image_, label_, keywords_ = 0, split_ = 0;
  std::map<std::string, std::size_t> number_;  // of the sample by its image
};

}  // namespace

void import_csv(const CsvImport& options) {
  const bool split_given = !options.split_column.empty();
  if (split_given && options.stratify) throw ConfigError("--stratify: the splits stand in --split-column; leave one of them out");
  CsvRows rows(options);
  PlainDataset{.out = options.out,
               .image_root = options.root,
               .name = options.file.stem().string(),
               .classes = {rows.classes.begin(), rows.classes.end()},
               .polarity = options.polarity,
               .splits = split_given ? rows.by_column()
                                     : draw_samples(std::move(rows.samples), options.split, options.seed, options.stratify),
               .drawn = !split_given && !options.stratify}
      .write();
}

}  // namespace emotion
