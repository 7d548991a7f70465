#include <algorithm>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "emotion/config/node.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

constexpr std::uint64_t kMaxBytes = 64 << 20;  // 30,000 classes take one

/// dataset.yaml with its places.
class DatasetReader {
 public:
  explicit DatasetReader(std::filesystem::path file) : file_(std::move(file)) {}

  Dataset read() {
    YAML::Node root;
    const std::string yaml = read_file(file_, kMaxBytes);
    try {
      root = YAML::Load(yaml);
    } catch (const YAML::Exception& error) {
      refuse(error.mark, "not valid YAML: " + error.msg + tab_advice(yaml, error.mark.line));
    }
    if (!root.IsMap()) refuse(root.Mark(), "a mapping with name, classes and splits is wanted");
    Dataset dataset;
    dataset.root = file_.parent_path();
    static const std::vector<std::string> known{"name", "classes", "polarity", "splits", "image_root", "stimuli_root"};
    for (const auto& field : root) {
      const std::string key = field.first.Scalar();
      if (std::find(known.begin(), known.end(), key) == known.end())
        refuse(field.first.Mark(), "unknown key " + key + did_you_mean(key, known));
    }
    if (root["name"]) dataset.name = text(root["name"], "name");
    if (root["image_root"]) dataset.image_root = text(root["image_root"], "image_root");
    if (root["stimuli_root"]) dataset.stimuli_roots = stimuli_roots(root["stimuli_root"]);
    if (!root["classes"]) refuse(root.Mark(), "classes is missing; a list of class names is wanted");
    dataset.classes = class_names(root["classes"]);
    if (root["polarity"]) read_polarity(root["polarity"], dataset);
    if (!root["splits"] || !root["splits"].IsMap() || root["splits"].size() == 0)
      refuse(root.Mark(), "splits is missing; {train: train.jsonl, ..} is wanted");
    for (const auto& split : root["splits"]) {
      const std::string path = text(split.second, "a split");
      path_below(dataset.root, path);
      dataset.splits.emplace_back(split.first.Scalar(), path);
    }
    return dataset;
  }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what) const {
    const std::string place = mark.is_null() ? "" : fmt::format(":{}:{}", mark.line + 1, mark.column + 1);
    throw DataError(file_.string() + place + ": " + what);
  }

  std::string text(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar() || node.Scalar().empty()) refuse(node.Mark(), what + " must be text");
    return node.Scalar();
  }

  std::vector<std::filesystem::path> stimuli_roots(const YAML::Node& node) const {
    if (!node.IsSequence()) return {text(node, "stimuli_root")};
    std::vector<std::filesystem::path> roots;
    for (const auto& item : node) roots.emplace_back(text(item, "a stimuli_root"));
    return roots;
  }

  std::vector<std::string> class_names(const YAML::Node& node) const {
    if (!node.IsSequence() || node.size() == 0) refuse(node.Mark(), "classes: a list of names is wanted");
    std::vector<std::string> names;
    std::set<std::string> seen;
    for (const auto& item : node) {
      names.push_back(text(item, "a class name"));
      // Results are JSON, which is UTF-8: writing one at the end of the work would fail.
      if (!is_utf8(names.back()))
        refuse(item.Mark(), "class '" + shown_utf8(names.back()) + "' is not UTF-8; save the file as that");
      if (!seen.insert(names.back()).second) refuse(item.Mark(), "class " + names.back() + " stands twice");
    }
    return names;
  }

  void read_polarity(const YAML::Node& node, Dataset& dataset) const {
    if (!node.IsMap()) refuse(node.Mark(), "polarity: {positive: [..], negative: [..]} is wanted");
    for (const auto& side : node) {
      const std::string name = side.first.Scalar();
      if (name != "positive" && name != "negative") refuse(side.first.Mark(), "polarity has positive and negative, not " + name);
      if (!side.second.IsSequence()) refuse(side.second.Mark(), "polarity." + name + ": a list of classes is wanted");
      for (const auto& item : side.second) {
        const std::string cls = text(item, "a class name");
        if (std::find(dataset.classes.begin(), dataset.classes.end(), cls) == dataset.classes.end()) {
          refuse(item.Mark(), "polarity names the unknown class " + cls + did_you_mean(cls, dataset.classes));
        }
        for (const auto& list : {dataset.positive, dataset.negative}) {
          if (std::find(list.begin(), list.end(), cls) != list.end()) refuse(item.Mark(), "class " + cls + " has two polarities");
        }
        (name == "positive" ? dataset.positive : dataset.negative).push_back(cls);
      }
    }
  }

  std::filesystem::path file_;
};

}  // namespace

Dataset Dataset::open(const std::filesystem::path& root) {
  std::error_code told_by_reading;
  if (std::filesystem::status(root / "dataset.yaml", told_by_reading).type() == std::filesystem::file_type::not_found) {
    // From another folder than the one it was meant for a relative path leads elsewhere: the absolute one shows it.
    std::error_code none;
    const std::filesystem::path here = std::filesystem::current_path(none);
    const std::string place = root.is_absolute() || none ? "" : fmt::format(" (looked for in {})", here.string());
    throw DataError(
        fmt::format("{}: not a data set: there is no dataset.yaml{}; make one with emotion_data import or emotion_data synth",
                    root.string(), place));
  }
  return DatasetReader(root / "dataset.yaml").read();
}

void Dataset::save() const {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "name" << YAML::Value << YAML::DoubleQuoted << name << YAML::Key << "classes"
      << YAML::Value << YAML::BeginSeq;
  for (const auto& cls : classes) out << YAML::DoubleQuoted << cls;
  out << YAML::EndSeq;
  if (!positive.empty() || !negative.empty()) {
    out << YAML::Key << "polarity" << YAML::Value << YAML::BeginMap << YAML::Key << "positive" << YAML::Value << YAML::Flow
        << positive << YAML::Key << "negative" << YAML::Value << YAML::Flow << negative << YAML::EndMap;
  }
  out << YAML::Key << "splits" << YAML::Value << YAML::BeginMap;
  for (const auto& [split, file] : splits) out << YAML::Key << split << YAML::Value << file;
  out << YAML::EndMap << YAML::Key << "image_root" << YAML::Value << YAML::DoubleQuoted << image_root.string();
  if (!stimuli_roots.empty()) out << YAML::Key << "stimuli_root" << YAML::Value;
  if (stimuli_roots.size() > 1) out << YAML::Flow << YAML::BeginSeq;
  for (const auto& folder : stimuli_roots) out << YAML::DoubleQuoted << folder.string();
  if (stimuli_roots.size() > 1) out << YAML::EndSeq;
  out << YAML::EndMap;
  write_file_atomically(root / "dataset.yaml", std::string(out.c_str()) + "\n");
}

std::filesystem::path Dataset::split_file(std::string_view split) const {
  std::vector<std::string> names;
  for (const auto& [name_of_split, file] : splits) {
    if (name_of_split == split) return path_below(root, file);
    names.push_back(name_of_split);
  }
  throw DataError(
      fmt::format("{}: there is no split '{}'; there are {}", (root / "dataset.yaml").string(), split, fmt::join(names, ", ")));
}

std::uint32_t Dataset::class_id(std::string_view class_name) const {
  const auto found = std::find(classes.begin(), classes.end(), class_name);
  if (found == classes.end()) throw DataError(fmt::format("unknown class '{}'{}", class_name, did_you_mean(class_name, classes)));
  return static_cast<std::uint32_t>(found - classes.begin());
}

}  // namespace emotion
