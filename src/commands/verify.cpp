#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "emotion/commands/data.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/data/manifest.h"
#include "emotion/data/verify.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/stimuli/region_file.h"

namespace emotion {
namespace {

/// Notes that are no errors: samples a TextCNN cannot use.
void count_unusable(const Manifest& manifest, const std::string& where) {
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
  if (no_emotion > 0) log_warning("{}: {} samples have neither a label nor an emotion keyword", where, no_emotion);
  if (no_other > 0) log_warning("{}: {} samples have emotion keywords only; a TextCNN cannot read them", where, no_other);
  if (with_keywords > 0 && with_keywords < manifest.size()) {
    log_warning("{}: {} of {} samples have no keywords", where, manifest.size() - with_keywords, manifest.size());
  }
}

std::string counted(std::size_t problems) { return fmt::format("{} problem{}", problems, problems == 1 ? "" : "s"); }

}  // namespace
}  // namespace emotion

void emotion_data_verify(const emotion::VerifyOptions& options) {
  using namespace emotion;
  const Dataset dataset = Dataset::open(options.data);
  std::optional<Dataset> whole_set;
  std::optional<SplitFiles> files;
  if (!options.out.empty()) {
    whole_set = derive_dataset(dataset, options.out);
    files.emplace(*whole_set, dataset.splits, /*annotations=*/true);
  }
  std::size_t problems = 0, samples = 0;
  std::string kept, lost;
  const ReadRegions read_regions = [](const std::filesystem::path& file, int width, int height) {
    const RegionFile regions = read_region_file(file);
    if (width > 0) check_boxes_within(regions, width, height, file);
    SeenRegions seen;
    if (regions.features.size(0) > 0) seen.width = regions.features.size(1);
    if (is_known_source(regions.source)) seen.source = regions.source;
    return seen;
  };
  for (const auto& [split, file] : dataset.splits) {
    bool unwritten = false;
    const auto found = split_problems(dataset, split, options.workers, read_regions,
                                      [&, &name = split](const Manifest& manifest, const std::vector<std::size_t>& whole) {
                                        samples += manifest.size();
                                        count_unusable(manifest, dataset.split_file(name).string());
                                        if (!whole_set || whole.empty()) return;
                                        unwritten = true;
                                        write_split(*whole_set, name, {{&manifest, whole}});
                                        unwritten = false;
                                        kept += fmt::format("{} {}, ", name, whole.size());
                                      });
    for (const auto& problem : found) print_out("{}\n", problem);
    problems += found.size();
    if (unwritten && lost.empty())
      lost = fmt::format("split {} has whole samples and cannot be written: {}", split, found.back());
  }
  if (whole_set) {
    if (!lost.empty()) throw DataError(fmt::format("{}: {}; no data set was made", options.data, lost));
    if (whole_set->splits.empty()) throw DataError(options.data + ": no sample is whole; nothing was written");
    whole_set->save();
    files->keep();
    return log_info("{}: {}without the {} of {}", options.out, kept, counted(problems), options.data);
  }
  if (problems > 0)
    throw DataError(
        fmt::format("{}: {}; --out DIR writes a data set of the samples without any", options.data, counted(problems)));
  log_info("{}: {} samples, no problem", options.data, samples);
}
