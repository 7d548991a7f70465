#include "emotion/data/import.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "importers/csv.h"
#include "importers/draft.h"
#include "importers/files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using SplitSamples = std::vector<std::pair<std::string, std::vector<Sample>>>;

SplitSamples split_randomly(std::vector<Sample> samples, const SplitRatio& ratio, std::uint64_t seed) {
  SplitSamples splits;
  const auto parts = draw_split(samples.size(), ratio, seed);
  for (std::size_t part = 0; part < parts.size(); ++part) {
    auto& [name, list] = splits.emplace_back(ratio.names()[part], std::vector<Sample>{});
    for (const std::size_t i : parts[part]) list.push_back(samples[i]);
  }
  return splits;
}

void write_dataset(const fs::path& out, const std::string& name, const fs::path& image_root, std::vector<std::string> classes,
                   const SplitSamples& splits) {
  if (fs::exists(out / "dataset.yaml")) throw ConfigError(out.string() + ": there is a data set already; give another --out");
  for (const auto& [split, samples] : splits) {  // before anything is written
    if (samples.empty()) throw DataError(fmt::format("split {} would be empty; there are too few samples", split));
  }
  Dataset dataset;
  dataset.root = out;
  dataset.name = name;
  dataset.classes = std::move(classes);
  dataset.image_root = relative_root(image_root, out);
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw RunError(out.string() + ": cannot be made: " + error.message());
  std::string summary;
  for (const auto& [split, samples] : splits) {
    ManifestWriter writer(out / (split + ".jsonl"));
    for (const Sample& sample : samples) writer.write(sample);
    writer.close();
    dataset.splits.emplace_back(split, split + ".jsonl");
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", split, samples.size());
  }
  dataset.save();  // last: a folder without dataset.yaml is no data set
  log_info("{}: {} classes; {}", out.string(), dataset.classes.size(), summary);
}

/// Images of ROOT/CLASS of any depth, labelled with the class; `prefix` is the part of the path before the class.
void collect_classes(const fs::path& root, const fs::path& prefix, std::vector<std::string>& classes,
                     std::vector<Sample>& samples) {
  for (const std::string& cls : folders_of(root / prefix)) {
    const fs::path folder = root / prefix / cls;
    const std::size_t before = samples.size();
    for (const std::string& file : files_of(root, prefix / cls, true)) {
      if (has_picture_name(file))
        samples.push_back({.image = file, .labels = {cls}, .keywords = {}, .votes = {}, .box = {}, .face = {}, .regions = {}});
    }
    if (samples.size() == before) throw DataError(folder.string() + ": class " + cls + " has no image");
    if (std::find(classes.begin(), classes.end(), cls) == classes.end()) classes.push_back(cls);
  }
}

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

}  // namespace

SplitRatio SplitRatio::parse(const std::string& text, const char* flag) {
  SplitRatio ratio;
  bool valid = true;
  for (std::size_t begin = 0; valid && begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    double part = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, part);
    valid = error == std::errc{} && stop == text.data() + end && part > 0 && std::isfinite(part);
    ratio.parts.push_back(part);
    begin = end + 1;
  }
  if (!valid || ratio.parts.size() < 2 || ratio.parts.size() > 3) {
    throw ConfigError(fmt::format("{} is '{}'; 80/20 (train/val) or 80/5/15 (train/val/test) is wanted", flag, text));
  }
  return ratio;
}

std::vector<std::string> SplitRatio::names() const {
  return parts.size() == 2 ? std::vector<std::string>{"train", "val"} : std::vector<std::string>{"train", "val", "test"};
}

void import_folder(const FolderImport& options) {
  if (!fs::is_directory(options.root)) throw DataError(options.root.string() + ": --root is not a folder");
  std::vector<std::string> classes;
  SplitSamples splits;
  if (fs::is_directory(options.root / "train")) {  // split already
    for (const char* name : {"train", "val", "test"}) {
      if (!fs::is_directory(options.root / name)) continue;
      splits.emplace_back(name, std::vector<Sample>{});
      collect_classes(options.root, name, classes, splits.back().second);
    }
  } else {
    std::vector<Sample> samples;
    collect_classes(options.root, "", classes, samples);
    splits = split_randomly(std::move(samples), SplitRatio::parse(options.split), options.seed);
  }
  if (classes.empty()) throw DataError(options.root.string() + ": no class folders with images; ROOT/CLASS/image.jpg is wanted");
  std::sort(classes.begin(), classes.end());
  write_dataset(options.out, options.root.filename().string(), options.root, std::move(classes), splits);
}

void import_csv(const CsvImport& options) {
  const CsvTable table = CsvTable::read(options.file);
  const std::size_t image = table.column(options.image_column), label = table.column(options.label_column);
  const auto optional_column = [&](const std::string& name) { return name.empty() ? table.header.size() : table.column(name); };
  const std::size_t keywords = optional_column(options.keywords_column), split = optional_column(options.split_column);
  std::set<std::string> classes;
  std::map<std::string, std::uint64_t> lines;
  std::vector<Sample> samples;
  std::vector<std::string> split_of;
  for (const auto& row : table.rows) {
    const std::string place = fmt::format("{}:{}", options.file.string(), row.line);
    Sample sample;
    sample.image = row.fields[image];
    sample.labels = split_field(row.fields[label], options.separator);
    if (sample.labels.empty()) throw DataError(place + ": the label is empty");
    classes.insert(sample.labels.begin(), sample.labels.end());
    if (keywords < table.header.size()) sample.keywords = split_field(row.fields[keywords], options.separator);
    const auto [first, added] = lines.emplace(sample.image, row.line);
    if (!added) throw DataError(fmt::format("{}: image {} stands in line {} as well", place, sample.image, first->second));
    try {
      const fs::path file = path_below(options.root, sample.image);
      if (!fs::is_regular_file(file)) throw DataError(file.string() + ": no such image");
    } catch (const DataError& error) {
      throw DataError(place + ": " + error.what());
    }
    if (split < table.header.size()) split_of.push_back(row.fields[split]);
    samples.push_back(std::move(sample));
  }
  if (samples.empty()) throw DataError(options.file.string() + ": no rows below the header");
  SplitSamples splits;
  if (split_of.empty()) {
    splits = split_randomly(std::move(samples), SplitRatio::parse(options.split), options.seed);
  } else {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (split_of[i].empty() || split_of[i].find('/') != std::string::npos) {
        throw DataError(fmt::format("{}:{}: '{}' is no name of a split", options.file.string(), table.rows[i].line, split_of[i]));
      }
      auto found = std::find_if(splits.begin(), splits.end(), [&](const auto& s) { return s.first == split_of[i]; });
      if (found == splits.end()) found = splits.insert(splits.end(), {split_of[i], {}});
      found->second.push_back(std::move(samples[i]));
    }
  }
  write_dataset(options.out, options.file.stem().string(), options.root, {classes.begin(), classes.end()}, splits);
}

}  // namespace emotion
