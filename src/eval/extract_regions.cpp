#include "emotion/eval/extract_regions.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <numeric>
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
#include "emotion/train/detector_pictures.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// Counts the changes to what a detector finds with the same weights and settings: files of another number are not kept.
constexpr const char* kArithmetic = "arithmetic 2";

/// True if an earlier run left the regions, whole and of the same making. Names are no part of what the detector found: where
/// others are wanted now, the file gets them and nothing is looked for again.
bool is_known(const fs::path& file, const TrainedDetector& detector, const std::string& source, std::int64_t top) {
  if (!fs::exists(file)) return false;
  try {
    RegionFile regions = read_region_file(file);
    if (regions.source != source || regions.top != top) return false;
    if (regions.classes != detector.classes || regions.attribute_names != detector.attributes) {
      regions.classes = detector.classes;
      regions.attribute_names = detector.attributes;
      write_region_file(file, regions, FileSync::kLater);
    }
    return true;
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
          .source = source,
          .top = top};
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
  Extraction(const Manifest& manifest, const TrainedDetector& detector, const Device& device, const RegionOptions& options,
             ProcessGroup& group)
      : manifest_(manifest),
        detector_(detector),
        device_(device),
        options_(options),
        group_(group),
        source_(region_source(detector)) {}

  RegionSummary run() {
    const auto begin = std::chrono::steady_clock::now();
    const auto batches = plan();
    Progress progress("regions " + manifest_.split(), summary_.images, summary_.known);
    std::uint64_t done = summary_.known;
    std::future<Pictures> next;
    const auto read = [&](std::size_t i) {
      next = std::async(std::launch::async, [this, &batches, i] { return decode(manifest_, batches[i]); });
    };
    {
      const ProcessGroup::Steps steps(group_);
      if (!batches.empty()) read(0);
      for (std::size_t i = 0; i < batches.size() && !group_.stop_asked(); ++i) {
        const Pictures pictures = next.get();
        if (i + 1 < batches.size()) read(i + 1);  // decoded while the network runs
        for (const auto& problem : pictures.problems) log_warning("{}", problem);
        summary_.broken += pictures.problems.size();
        if (!pictures.samples.empty()) detect(pictures);
        done += batches[i].size();
        progress.update(done);
        steps.step();
      }
      if (next.valid()) next.wait();
    }
    progress.clear();
    group_.wait_for_all();  // an exchange would give up those that have more to do
    // Before the manifest names the files: one of this host brings them all to the disk.
    if (group_.local_rank() == 0) sync_disk(manifest_.dataset().root);
    group_.wait_for_all();
    done = sum(done);
    const bool stopped = group_.any(stop_requested());
    note_paths();
    if (stopped)
      throw Interrupted(
          fmt::format("regions: interrupted after {} of {} images; the same command goes on", done, manifest_.size()));
    return total(begin);
  }

 private:
  std::uint64_t sum(std::uint64_t value) {
    const auto all = group_.gather(static_cast<std::int64_t>(value));
    return static_cast<std::uint64_t>(std::accumulate(all.begin(), all.end(), std::int64_t{0}));
  }

  RegionSummary total(std::chrono::steady_clock::time_point begin) {
    RegionSummary all{.images = sum(summary_.images),
                      .known = sum(summary_.known),
                      .broken = sum(summary_.broken),
                      .without = sum(summary_.without)};
    const std::uint64_t looked_at = sum(looked_at_);
    for (const double regions : group_.gather(summary_.regions)) all.regions += regions;
    if (looked_at > 0) all.regions /= static_cast<double>(looked_at);
    all.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return all;
  }

  /// Into the manifest: the region file of every sample that has one now, whoever made it.
  void note_paths() {
    std::string own;  // a byte a sample
    for (const bool has : has_regions_) own += has ? '1' : '0';
    const auto all = group_.gather_to_root(own);
    group_.on_root([&] {
      std::vector<std::optional<std::string>> paths(manifest_.size());
      for (std::uint64_t i = 0; i < manifest_.size(); ++i) {
        const std::size_t rank = i % static_cast<std::size_t>(group_.size()), place = i / static_cast<std::size_t>(group_.size());
        if (all[rank][place] == '1') paths[i] = region_path(manifest_[i]);
      }
      update_manifest(manifest_, "regions", paths);
    });
  }

  /// This process's samples that are still to be looked at, in batches.
  std::vector<std::vector<std::uint64_t>> plan() {
    std::vector<std::vector<std::uint64_t>> batches;
    const auto rank = static_cast<std::uint64_t>(group_.rank()), size = static_cast<std::uint64_t>(group_.size());
    for (std::uint64_t i = rank; i < manifest_.size(); i += size) {
      ++summary_.images;
      has_regions_.push_back(false);
      if (stop_requested()) continue;
      const std::string path = region_path(manifest_[i]);
      if (!options_.anew && is_known(path_below(manifest_.dataset().root, path), detector_, source_, options_.top)) {
        has_regions_.back() = true;
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
      write_region_file(file, regions, FileSync::kLater);
      has_regions_[sample / static_cast<std::uint64_t>(group_.size())] = true;
      summary_.regions += static_cast<double>(regions.scores.size(0));
      summary_.without += regions.scores.size(0) == 0;
      ++looked_at_;
    }
  }

  const Manifest& manifest_;
  const TrainedDetector& detector_;
  const Device& device_;
  const RegionOptions& options_;
  ProcessGroup& group_;
  std::string source_;
  std::vector<bool> has_regions_;  // of each of this process's samples
  RegionSummary summary_;
  std::uint64_t looked_at_ = 0;
};

}  // namespace

std::string region_path(const SampleView& sample) {
  std::string path = fmt::format("regions/{}.safetensors", sample.image);
  std::replace(path.begin(), path.end(), '#', '/');  // shard.tar#member
  return path;
}

std::string region_source(const TrainedDetector& detector) {
  ContentHash hash;
  hash.add(file_hash(detector.file));
  hash.add(kArithmetic);
  std::string source = hash.hex();
  for (const std::string& setting : detector.changed) {
    if (setting.starts_with("model.detector.")) source += ", " + setting;
  }
  return source;
}

RegionFile find_regions(const at::Tensor& picture, const TrainedDetector& detector, const Device& device, std::int64_t top) {
  const AutocastScope autocast(device);
  const DetectorInput input =
      move_input(detector_input({picture}, detector.network->transform()), device, /*channels_last=*/true);
  return region_file(detector.network->detect(input, /*with_features=*/true).at(0), detector, top, "");
}

RegionSummary extract_regions(const Manifest& manifest, const TrainedDetector& detector, const Device& device,
                              const RegionOptions& options, ProcessGroup& group) {
  return Extraction(manifest, detector, device, options, group).run();
}

}  // namespace emotion
