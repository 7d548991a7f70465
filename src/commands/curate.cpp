#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "emotion/commands/curation.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/text/curation.h"
#include "emotion/text/vocabulary.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

/// The files of a collection: a JSONL file, or every split of a data set.
struct Collection {
  Dataset dataset;  // where the pictures are; of a file: its folder, or --root
  std::vector<std::pair<std::string, fs::path>> splits;

  Collection(const std::string& path, const std::string& root) {
    if (fs::is_directory(path)) {
      dataset = Dataset::open(path);
      for (const auto& [split, file] : dataset.splits) splits.emplace_back(split, dataset.split_file(split));
    } else {
      const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
      dataset.root = root.empty() ? folder : fs::path(root);
      dataset.name = fs::path(path).stem().string();
      splits.emplace_back("all", path);
    }
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> list;
    for (const auto& [split, file] : splits) list.push_back(file);
    return list;
  }
};

void rank(const Collection& collection, const CurateCommandOptions& o) {
  refuse_decided(o.candidates);  // before the work
  const std::vector<std::string> seeds = o.seeds.empty() ? std::vector<std::string>{} : Vocabulary::read(o.seeds).words();
  std::optional<WordVectors> vectors;
  if (!o.word2vec.empty()) vectors = WordVectors::open(o.word2vec);
  const auto candidates = emotion_candidates(collection.files(), seeds, vectors ? &*vectors : nullptr,
                                             {.min_images = o.min_images, .top = o.top, .similarity = o.similarity});
  if (candidates.empty()) throw DataError(o.collection + ": no keyword is a candidate; lower --min-images or --similarity");
  write_candidates(candidates, o.candidates);
  const auto kept = std::count_if(candidates.begin(), candidates.end(), [](const auto& c) { return c.seed; });
  log_info("{}: {} candidates, {} of them seeds; decide on the others, then curate with --categories {}", o.candidates,
           candidates.size(), kept, o.candidates);
}

void curate(const Collection& collection, const CurateCommandOptions& o) {
  std::size_t undecided = 0;
  CurateOptions options{
      .categories = read_categories(o.categories, undecided), .min_emotional = o.min_emotional, .min_other = o.min_other};
  if (undecided > 0) log_warning("{}: {} keywords are undecided and count as no", o.categories, undecided);
  Dataset dataset = derive_dataset(collection.dataset, o.out);
  SplitFiles files(dataset, collection.splits);  // one of them may be the collection itself, which lies in any folder
  dataset.classes = options.categories;
  dataset.positive.clear();
  dataset.negative.clear();
  Curator curator(std::move(options));
  for (const auto& [split, file] : collection.splits) {
    dataset.splits.emplace_back(split, split + ".jsonl");
    if (curator.curate(file, dataset.split_file(split)) == 0)
      throw DataError(fmt::format("{}: no image has enough keywords", file.string()));
  }
  dataset.save();
  files.keep();
  const CurateSummary& s = curator.summary();
  const auto kept = static_cast<double>(s.kept);
  log_info(
      "{}: {} of {} images kept, {:.1f} keywords and {:.2f} emotion keywords an image; left out: {} with too few emotion "
      "keywords, {} with too few others, {} repeated",
      o.out, s.kept, s.images, static_cast<double>(s.keywords) / kept, static_cast<double>(s.emotional) / kept, s.without_emotion,
      s.without_other, s.repeated);
  const auto empty = std::count(s.per_category.begin(), s.per_category.end(), 0U);
  if (empty > 0) log_warning("{} of {} categories have no image", empty, s.per_category.size());
}

}  // namespace
}  // namespace emotion

void emotion_data_curate(const emotion::CurateCommandOptions& o) {
  using namespace emotion;
  if (o.candidates.empty() == (o.categories.empty() && o.out.empty()) || o.categories.empty() != o.out.empty())
    throw ConfigError("curate needs --candidates FILE (first step), or --categories FILE and --out DATASET (second step)");
  const Collection collection(o.collection, o.root);
  if (o.candidates.empty()) {
    curate(collection, o);
  } else {
    rank(collection, o);
  }
}
