#include "emotion/commands/data.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "emotion/data/import.h"
#include "emotion/data/importers.h"
#include "emotion/data/manifest.h"
#include "emotion/data/pack.h"
#include "emotion/data/synth.h"
#include "emotion/data/verify.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"

namespace emotion {
namespace {

/// Notes that are no errors: samples a TextCNN cannot use.
void count_unusable(const Manifest& manifest) {
  std::size_t no_emotion = 0, no_other = 0, with_keywords = 0;
  const auto& classes = manifest.dataset().classes;
  std::vector<bool> is_class(manifest.word_count());
  for (std::uint32_t id = 0; id < is_class.size(); ++id)
    is_class[id] = std::find(classes.begin(), classes.end(), manifest.word(id)) != classes.end();
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const SampleView sample = manifest[i];
    const auto emotional =
        std::count_if(sample.keywords.begin(), sample.keywords.end(), [&](std::uint32_t word) { return is_class[word]; });
    no_emotion += sample.labels.empty() && emotional == 0;
    with_keywords += !sample.keywords.empty();
    no_other += !sample.keywords.empty() && emotional == static_cast<std::ptrdiff_t>(sample.keywords.size());
  }
  if (no_emotion > 0)
    log_warning("{}: {} samples have neither a label nor an emotion keyword", manifest.file().string(), no_emotion);
  if (no_other > 0)
    log_warning("{}: {} samples have emotion keywords only; a TextCNN cannot read them", manifest.file().string(), no_other);
  if (with_keywords > 0 && with_keywords < manifest.size()) {
    log_warning("{}: {} of {} samples have no keywords", manifest.file().string(), manifest.size() - with_keywords,
                manifest.size());
  }
}

}  // namespace
}  // namespace emotion

void emotion_data_import(const emotion::ImportOptions& o) {
  using namespace emotion;
  if (o.root.empty() || o.out.empty()) throw ConfigError("import needs --root DIR and --out DATASET");
  if (o.format == "webdataset") {
    import_shards({.root = o.root, .out = o.out, .classes = o.file});
    return;
  }
  const bool plain = o.format == "folder" || o.format == "csv";
  if (plain && o.folds != 0) throw ConfigError("import " + o.format + ": --folds is for published data sets");
  if (plain && !o.without.empty()) throw ConfigError("import " + o.format + ": --without is for published data sets");
  if (!plain && !o.file.empty()) throw ConfigError("import " + o.format + ": --file is for csv");
  const std::string split = o.split.empty() ? "80/20" : o.split;
  if (o.format == "folder") {
    import_folder({.root = o.root, .out = o.out, .split = split, .seed = o.seed});
  } else if (o.format == "csv") {
    if (o.file.empty()) throw ConfigError("import csv needs --file FILE");
    import_csv({.file = o.file,
                .root = o.root,
                .out = o.out,
                .image_column = o.image_column,
                .label_column = o.label_column,
                .keywords_column = o.keywords_column,
                .split_column = o.split_column,
                .separator = o.separator,
                .split = split,
                .seed = o.seed});
  } else {
    import_published({.format = o.format,
                      .root = o.root,
                      .out = o.out,
                      .split = o.split,
                      .folds = o.folds,
                      .seed = o.seed,
                      .without = o.without});
  }
}

void emotion_data_verify(const emotion::VerifyOptions& options) {
  using namespace emotion;
  const Dataset dataset = Dataset::open(options.data);
  std::size_t problems = 0, samples = 0;
  for (const auto& [split, file] : dataset.splits) {
    std::vector<std::string> found = line_problems(dataset, split);
    if (found.empty()) {
      const Manifest manifest = Manifest::open(dataset, split);
      samples += manifest.size();
      count_unusable(manifest);
      found = image_problems(manifest, options.workers);
    }
    for (const auto& problem : found) fmt::print("{}\n", problem);
    problems += found.size();
  }
  if (problems > 0) throw DataError(fmt::format("{}: {} problems", options.data, problems));
  log_info("{}: {} samples, no problem", options.data, samples);
}

void emotion_data_synth(const emotion::SynthOptions& options) {
  emotion::write_synth({.kind = options.kind,
                        .out = options.out,
                        .count = options.count,
                        .size = options.size,
                        .seed = options.seed,
                        .workers = options.workers});
}
