#include "emotion/data/targets.h"

#include <algorithm>
#include <set>

#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"

namespace emotion {
namespace {

TargetClasses from_names(std::vector<std::string> names) {
  TargetClasses targets;
  for (std::uint32_t id = 0; id < names.size(); ++id) targets.class_of_word.emplace(names[id], id);
  targets.classes = std::move(names);
  return targets;
}

constexpr std::string_view kOneVsAll = "one_vs_all:";

/// One class against the rest, as the small sets of Stimuli-aware VEA (Sec IV-C) are measured.
TargetClasses one_vs_all(const std::string& name, const Dataset& dataset) {
  const std::uint32_t chosen = dataset.class_id(name);
  TargetClasses targets;
  targets.classes = {name, "not " + name};
  for (std::uint32_t id = 0; id < dataset.classes.size(); ++id)
    targets.class_of_word.emplace(dataset.classes[id], id == chosen ? 0U : 1U);
  return targets;
}

bool by_label(const std::string& spec) { return spec == "labels" || spec.starts_with(kOneVsAll); }

TargetClasses from_file(const std::string& file) {
  const std::string text = read_text(file);
  TargetClasses targets;
  std::unordered_map<std::string, std::uint32_t> ids;
  for (const auto [row, line] : Lines(text)) {
    if (row.empty() || row[0] == '#') continue;
    check_utf8_line(row, file, line);
    const std::size_t tab = row.find('\t');
    if (tab == 0 || tab == std::string_view::npos || tab + 1 == row.size())
      throw DataError(fmt::format("{}:{}: keyword<TAB>class is wanted", file, line));
    const auto [id, fresh] = ids.emplace(row.substr(tab + 1), static_cast<std::uint32_t>(targets.classes.size()));
    if (fresh) targets.classes.push_back(id->first);
    if (!targets.class_of_word.emplace(row.substr(0, tab), id->second).second) {
      throw DataError(fmt::format("{}:{}: keyword '{}' stands twice", file, line, row.substr(0, tab)));
    }
  }
  if (targets.classes.empty()) throw DataError(file + ": no keyword<TAB>class lines");
  return targets;
}

}  // namespace

TargetClasses TargetClasses::make(const std::string& spec, const Manifest& train) {
  if (spec == "labels") return from_names(train.dataset().classes);
  if (spec.starts_with(kOneVsAll)) return one_vs_all(spec.substr(kOneVsAll.size()), train.dataset());
  if (spec != "keywords") return from_file(spec);
  std::vector<std::string> words;
  for (std::uint32_t id = 0; id < train.word_count(); ++id) words.emplace_back(train.word(id));
  std::sort(words.begin(), words.end());
  if (words.empty()) throw DataError(train.file().string() + ": data.targets is keywords, and no sample has one");
  return from_names(std::move(words));
}

std::vector<std::string> TargetClasses::words() const {
  std::vector<std::string> words;
  words.reserve(class_of_word.size());
  for (const auto& entry : class_of_word) words.push_back(entry.first);
  std::sort(words.begin(), words.end());
  return words;
}

SplitTargets::SplitTargets(const Manifest& manifest, const TargetClasses& targets, const std::string& spec)
    : manifest_(&manifest), use_labels_(spec != "keywords"), always_use_keywords_(!by_label(spec)) {
  const auto find = [&](const std::string& word) {
    const auto found = targets.class_of_word.find(word);
    return found == targets.class_of_word.end() ? -1 : static_cast<std::int32_t>(found->second);
  };
  for (const auto& name : manifest.dataset().classes) class_of_label_.push_back(find(name));
  for (std::uint32_t id = 0; id < manifest.word_count(); ++id) class_of_word_.push_back(find(std::string(manifest.word(id))));
}

SplitTargets::SplitTargets(const Manifest& manifest, const TargetClasses& targets, const std::string& spec,
                           const std::string& single)
    : SplitTargets(manifest, targets, spec) {
  if (by_label(spec) && std::find(class_of_label_.begin(), class_of_label_.end(), -1) != class_of_label_.end()) {
    throw DataError(fmt::format("{}: its classes ({}) are not those of the training data ({})",
                                (manifest.dataset().root / "dataset.yaml").string(), fmt::join(manifest.dataset().classes, ", "),
                                fmt::join(targets.classes, ", ")));
  }
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const std::size_t count = (*this)(i).size();
    if (count == 0) throw DataError(manifest.place(i) + ": no emotion keyword: neither labels nor keywords name a class");
    if (!single.empty() && count > 1) {
      throw DataError(fmt::format("{}: {} classes; {} wants one a sample{}", manifest.place(i), count, single,
                                  single.starts_with("task ") ? ", task emotionnet takes several" : ""));
    }
  }
}

std::vector<std::uint32_t> SplitTargets::operator()(std::size_t sample) const {
  const SampleView view = (*manifest_)[sample];
  std::vector<std::uint32_t> ids;
  const auto add = [&](std::int32_t id) {
    if (id >= 0 && std::find(ids.begin(), ids.end(), static_cast<std::uint32_t>(id)) == ids.end())
      ids.push_back(static_cast<std::uint32_t>(id));
  };
  if (use_labels_) {
    for (const std::uint32_t label : view.labels) add(class_of_label_[label]);
  }
  if (reads_keywords(view)) {
    for (const std::uint32_t word : view.keywords) add(class_of_word_[word]);
  }
  return ids;
}

bool SplitTargets::reads_keywords(const SampleView& sample) const {
  return always_use_keywords_ ||
         std::all_of(sample.labels.begin(), sample.labels.end(), [&](std::uint32_t label) { return class_of_label_[label] < 0; });
}

bool SplitTargets::from_keywords(std::size_t sample) const {
  const SampleView view = (*manifest_)[sample];
  return reads_keywords(view) &&
         std::any_of(view.keywords.begin(), view.keywords.end(), [&](std::uint32_t word) { return class_of_word_[word] >= 0; });
}

at::Tensor multi_hot(const std::vector<std::vector<std::uint32_t>>& ids, std::size_t classes, bool mean) {
  at::Tensor targets = at::zeros({static_cast<std::int64_t>(ids.size()), static_cast<std::int64_t>(classes)});
  float* row = targets.data_ptr<float>();
  for (const auto& of_row : ids) {
    for (const std::uint32_t id : of_row) row[id] = mean ? 1.0F / static_cast<float>(of_row.size()) : 1.0F;
    row += classes;
  }
  return targets;
}

std::vector<std::int8_t> class_polarity(const Dataset& dataset, const std::vector<std::string>& classes) {
  std::vector<std::int8_t> polarity;
  for (const auto& name : classes) {
    const bool positive = std::find(dataset.positive.begin(), dataset.positive.end(), name) != dataset.positive.end();
    const bool negative = std::find(dataset.negative.begin(), dataset.negative.end(), name) != dataset.negative.end();
    if (!positive && !negative) return {};
    polarity.push_back(positive ? 1 : -1);
  }
  return polarity;
}

}  // namespace emotion
