#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/commands/data.h"
#include "emotion/data/decode.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/eval/extract_regions.h"
#include "emotion/eval/import_regions.h"
#include "emotion/print.h"
#include "emotion/report/picture.h"
#include "emotion/report/region_picture.h"
#include "emotion/stimuli/region_import.h"
#include "launch.h"

namespace emotion {
namespace {

void print_summary(const std::string& split, const RegionSummary& summary) {
  const std::uint64_t looked_at = summary.images - summary.known - summary.broken;
  print_out("{}: {} images; {} looked at now in {:.1f} s{}{}\n", split, summary.images, looked_at, summary.seconds,
            looked_at == 0 ? ""
                           : fmt::format(", {:.1f} a second, {:.1f} regions an image, {} without any",
                                         static_cast<double>(looked_at) / summary.seconds, summary.regions, summary.without),
            summary.known == 0 ? "" : fmt::format("; {} kept from an earlier run", summary.known));
}

/// Writes the first pictures of a split with their regions as DIR/SPLIT-NUMBER.jpg.
void draw_pictures(const Manifest& manifest, const std::filesystem::path& folder, std::uint64_t count) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(folder.string() + ": cannot be made: " + error.message());
  for (std::uint64_t i = 0; i < manifest.size() && (count == 0 || i < count); ++i) {
    if (manifest[i].regions.empty()) continue;
    const std::filesystem::path file = stimulus_path(manifest.dataset(), manifest[i].regions);
    const RegionFile regions = read_region_file(file);
    const Image picture = decode_image(manifest.image_path(i));
    check_boxes_within(regions, picture.width, picture.height, file);
    write_picture(folder / fmt::format("{}-{:06}.jpg", manifest.split(), i), draw_regions(picture, regions));
  }
}

/// Names of a vocabulary in place of the numbers the weights give.
void use_names(const std::string& file, std::vector<std::string>& names) {
  if (file.empty()) return;
  std::vector<std::string> given = read_vocabulary_names(file);
  if (given.size() != names.size())
    throw DataError(fmt::format("{}: {} names, the detector has {}", file, given.size(), names.size()));
  names = std::move(given);
}

/// Refuses flags of a detector's run.
void check_import_flags(const RegionsOptions& o) {
  const RegionsOptions usual;
  for (const auto& [flag, given] : {std::pair{"--set", !o.settings.empty()},
                                    {"--anew", o.anew},
                                    {"--batch", o.batch != usual.batch},
                                    {"--device", o.device != usual.device}})
    if (given) throw ConfigError(fmt::format("{} does not go with --import: no detector looks for regions", flag));
  if (o.share.nproc > 1) throw ConfigError("--nproc does not go with --import: one process reads a file");
}

void import_and_print(const Dataset& dataset, const RegionsOptions& o) {
  RegionImportOptions options{.from = o.import_from, .split = o.split, .top = o.top};
  if (!o.objects.empty()) options.classes = read_vocabulary_names(o.objects);
  if (!o.attributes.empty()) options.attributes = read_vocabulary_names(o.attributes);
  const RegionImportSummary summary = import_regions(dataset, options);
  print_out("{} of {} images have regions now; {} entries are of images the data set does not have\n", summary.matched,
            summary.images, summary.foreign);
  if (o.pictures.empty()) return;
  for (const auto& [split, file] : dataset.splits) {
    if (o.split.empty() || split == o.split) draw_pictures(Manifest::open(dataset, split), o.pictures, o.count);
  }
}

void find_and_print(const Dataset& dataset, const RegionsOptions& o, ProcessGroup& group) {
  const Device device = Device::open(own_device(o.device, group));
  TrainedDetector detector = load_detector(o.checkpoint, o.settings, device);
  use_names(o.objects, detector.classes);
  use_names(o.attributes, detector.attributes);
  std::uint64_t broken = 0;
  for (const auto& [split, file] : dataset.splits) {
    if (!o.split.empty() && split != o.split) continue;
    const RegionSummary summary =
        extract_regions(Manifest::open(dataset, split), detector, device,
                        {.top = o.top > 0 ? o.top : 10, .batch = static_cast<std::size_t>(o.batch), .anew = o.anew}, group);
    if (!group.is_root()) continue;
    print_summary(split, summary);
    broken += summary.broken;
    if (!o.pictures.empty()) draw_pictures(Manifest::open(dataset, split), o.pictures, o.count);
  }
  if (broken > 0)
    throw DataError(
        fmt::format("{}: {} images cannot be read; emotion_data verify lists them, the others are done", o.data, broken));
}

}  // namespace
}  // namespace emotion

void emotion_data_regions(const emotion::RegionsOptions& o) {
  using namespace emotion;
  if (o.checkpoint.empty() == o.import_from.empty())
    throw ConfigError("regions needs --checkpoint (a detector) or --import (regions found elsewhere), one of them");
  if (o.top < 0 || o.top > 1000) throw ConfigError(fmt::format("--top is {}; 1 to 1000 regions are wanted", o.top));
  if (o.batch < 1) throw ConfigError(fmt::format("--batch is {}; at least 1 image is wanted", o.batch));
  if (!o.import_from.empty()) check_import_flags(o);
  const Dataset dataset = Dataset::open(o.data);
  if (!o.split.empty()) dataset.split_file(o.split);  // a misspelt one is an error before the weights are read
  if (!o.import_from.empty()) return import_and_print(dataset, o);
  const std::vector<std::pair<std::string, std::string>> same{
      {"data set", o.data},
      {"--checkpoint", o.checkpoint},
      {"--split", o.split},
      {"options", fmt::format("{} {} {} {} {}", o.top, o.anew, o.objects, o.attributes, fmt::join(o.settings, " "))}};
  run_shared(o.share, same, [&](ProcessGroup& group) { find_and_print(dataset, o, group); });
}
