#include "plain_dataset.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "class_names.h"
#include "draft.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/data/split_ratio.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/nearest.h"

namespace emotion {
namespace fs = std::filesystem;

SplitSamples draw_samples(std::vector<Sample> samples, const std::string& ratio_text, std::uint64_t seed, bool stratify) {
  const SplitRatio ratio = SplitRatio::parse(ratio_text.empty() ? "80/20" : ratio_text);
  ratio.tell_shares();
  std::vector<std::vector<std::size_t>> parts;
  if (stratify) {
    std::map<std::string, std::uint32_t> ids;
    std::vector<std::uint32_t> classes;
    for (const Sample& sample : samples) {
      const std::string& first = sample.labels.at(0);
      classes.push_back(ids.emplace(first, static_cast<std::uint32_t>(ids.size())).first->second);
    }
    parts = draw_stratified(classes, ratio, seed);
  } else {
    parts = draw_split(samples.size(), ratio, seed);
  }
  SplitSamples splits;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    auto& [name, list] = splits.emplace_back(ratio.names()[part], std::vector<Sample>{});
    for (const std::size_t i : parts[part]) list.push_back(std::move(samples[i]));
  }
  return splits;
}

void PlainDataset::check_polarity() const {
  std::vector<std::string> met;
  for (const auto* side : {&polarity.positive, &polarity.negative}) {
    for (const std::string& cls : *side) {
      if (std::find(classes.begin(), classes.end(), cls) == classes.end()) {
        throw ConfigError(fmt::format("--{}: there is no class '{}'{}", side == &polarity.positive ? "positive" : "negative", cls,
                                      did_you_mean(cls, classes)));
      }
      if (std::find(met.begin(), met.end(), cls) != met.end())
        throw ConfigError(fmt::format("--positive and --negative name class '{}' twice", cls));
      met.push_back(cls);
    }
  }
}

void PlainDataset::tell_classes() const {
  warn_of_capitals(classes);
  std::vector<ClassCounts> counts;
  for (const auto& [split, samples] : splits) counts.push_back(ClassCounts::of(split, samples));
  warn_of_absent_classes(counts, drawn ? "; --stratify divides each class" : "");
}

void PlainDataset::write() {
  if (fs::exists(out / "dataset.yaml")) throw ConfigError(out.string() + ": there is a data set already; give another --out");
  for (const auto& [split, samples] : splits) refuse_empty_split(split, samples.size());  // before anything is written
  sort_classes(classes);
  check_polarity();
  Dataset dataset;
  dataset.root = out;
  dataset.name = name;
  dataset.classes = classes;
  dataset.positive = polarity.positive;
  dataset.negative = polarity.negative;
  dataset.image_root = image_root_from(image_root, out);
  SplitFiles files(dataset, splits);
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
  set_known_polarity(dataset);
  dataset.save();  // last: a folder without dataset.yaml is no data set
  files.keep();
  tell_classes();
  log_info("{}: {} classes; {}", out.string(), dataset.classes.size(), summary);
}

}  // namespace emotion
