#include "emotion/eval/extract_regions.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>

#include <fmt/format.h>

#include "emotion/data/loader.h"
#include "emotion/data/manifest_update.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// The regions that an earlier run left, if they are whole and of the same making.
bool is_known(const fs::path& file, const std::string& source) {
  if (!fs::exists(file)) return false;
  try {
    return read_region_file(file).source == source;
  } catch (const WeightsError&) {
    return false;
  }
}

RegionFile region_file(const Detections& found, const TrainedDetector& detector, std::int64_t top, const std::string& source) {
  const std::int64_t n = std::min(top, found.boxes.size(0));
  const auto first = [&](const at::Tensor& rows) { return rows.defined() ? rows.narrow(0, 0, n).cpu() : at::Tensor(); };
  return {.features = first(found.features),
          .boxes = first(found.boxes),
          .scores = first(found.scores),
          .labels = first(found.labels),
          .attributes = first(found.attributes),
          .classes = detector.classes,
          .attribute_names = detector.attributes,
          .source = source};
}

/// Decoded pictures of some samples; those that cannot be are named and left out.
struct Pictures {
  std::vector<std::uint64_t> samples;
  std::vector<at::Tensor> pictures;
  std::vector<std::string> problems;
};

Pictures decode(const Manifest& manifest, const std::vector<std::uint64_t>& samples) {
  Pictures decoded;
  for (const std::uint64_t sample : samples) {
    try {
      decoded.pictures.push_back(load_pictures(manifest, {sample})[0]);
      decoded.samples.push_back(sample);
    } catch (const DataError& error) {
      decoded.problems.emplace_back(error.what());
    }
  }
  return decoded;
}

class Extraction {
 public:
  Extraction(const Manifest& manifest, const TrainedDetector& detector, const Device& device, const RegionOptions& options)
      : manifest_(manifest),
        detector_(detector),
        device_(device),
        options_(options),
        source_(region_source(detector, options.top)),
        paths_(manifest.size()) {}

  RegionSummary run() {
    const auto begin = std::chrono::steady_clock::now();
    const auto batches = plan();
    Progress progress("regions " + manifest_.split(), manifest_.size(), summary_.known);
    std::uint64_t done = summary_.known;
    std::future<Pictures> next;
    const auto read = [&](std::size_t i) {
      next = std::async(std::launch::async, [this, &batches, i] { return decode(manifest_, batches[i]); });
    };
    if (!batches.empty()) read(0);
    for (std::size_t i = 0; i < batches.size() && !stop_requested(); ++i) {
      const Pictures pictures = next.get();
      if (i + 1 < batches.size()) read(i + 1);  // decoded while the network runs
      for (const auto& problem : pictures.problems) log_warning("{}", problem);
      summary_.broken += pictures.problems.size();
      if (!pictures.samples.empty()) detect(pictures);
      done += batches[i].size();
      progress.update(done);
    }
    if (next.valid()) next.wait();
    progress.clear();
    update_manifest(manifest_, "regions", paths_);
    if (stop_requested())
      throw Interrupted(
          fmt::format("regions: interrupted after {} of {} images; the same command goes on", done, manifest_.size()));
    summary_.images = manifest_.size();
    summary_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (looked_at_ > 0) summary_.regions /= static_cast<double>(looked_at_);
    return summary_;
  }

 private:
  /// Samples that are still to be looked at, in batches.
  std::vector<std::vector<std::uint64_t>> plan() {
    std::vector<std::vector<std::uint64_t>> batches;
    for (std::uint64_t i = 0; i < manifest_.size() && !stop_requested(); ++i) {
      const std::string path = region_path(manifest_[i]);
      if (!options_.anew && is_known(path_below(manifest_.dataset().root, path), source_)) {
        paths_[i] = path;
        ++summary_.known;
        continue;
      }
      if (batches.empty() || batches.back().size() == options_.batch) batches.emplace_back();
      batches.back().push_back(i);
    }
    return batches;
  }

  void detect(const Pictures& pictures) {
    const AutocastScope autocast(device_);
    const DetectorInput input =
        move_input(detector_input(pictures.pictures, detector_.network->transform()), device_, options_.channels_last);
    const auto found = detector_.network->detect(input, /*with_features=*/true);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::uint64_t sample = pictures.samples[i];
      const RegionFile regions = region_file(found[i], detector_, options_.top, source_);
      const std::string path = region_path(manifest_[sample]);
      const fs::path file = path_below(manifest_.dataset().root, path);
      std::error_code error;
      fs::create_directories(file.parent_path(), error);
      if (error) throw RunError(fmt::format("{}: cannot be made: {}", file.parent_path().string(), error.message()));
      write_region_file(file, regions);
      paths_[sample] = path;
      summary_.regions += static_cast<double>(regions.scores.size(0));
      summary_.without += regions.scores.size(0) == 0;
      ++looked_at_;
    }
  }

  const Manifest& manifest_;
  const TrainedDetector& detector_;
  const Device& device_;
  const RegionOptions& options_;
  std::string source_;
  std::vector<std::optional<std::string>> paths_;  // of each sample, for update_manifest
  RegionSummary summary_;
  std::uint64_t looked_at_ = 0;
};

}  // namespace

std::string region_path(const SampleView& sample) {
  std::string path = fmt::format("regions/{}.safetensors", sample.image);
  std::replace(path.begin(), path.end(), '#', '/');  // shard.tar#member
  return path;
}

std::string region_source(const TrainedDetector& detector, std::int64_t top) {
  ContentHash hash;
  hash.add(file_hash(detector.file));
  hash.add(print_run_config(detector.config));
  return fmt::format("{}, top {}", hash.hex(), top);
}

RegionFile find_regions(const at::Tensor& picture, const TrainedDetector& detector, const Device& device, std::int64_t top) {
  const AutocastScope autocast(device);
  const DetectorInput input =
      move_input(detector_input({picture}, detector.network->transform()), device, /*channels_last=*/true);
  return region_file(detector.network->detect(input, /*with_features=*/true).at(0), detector, top, "");
}

RegionSummary extract_regions(const Manifest& manifest, const TrainedDetector& detector, const Device& device,
                              const RegionOptions& options) {
  return Extraction(manifest, detector, device, options).run();
}

}  // namespace emotion
