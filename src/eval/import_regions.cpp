#include "emotion/eval/import_regions.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/data/manifest_update.h"
#include "emotion/error.h"
#include "emotion/eval/extract_regions.h"
#include "emotion/io/file.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/stimuli/region_import.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

class Import {
 public:
  Import(const Dataset& dataset, const RegionImportOptions& options) : dataset_(dataset), options_(options) {
    for (const auto& [split, file] : dataset.splits) {
      if (!options.split.empty() && split != options.split) continue;
      manifests_.push_back(Manifest::open(dataset, split));
      paths_.emplace_back(manifests_.back().size());
    }
    for (std::size_t m = 0; m < manifests_.size(); ++m) {
      summary_.images += manifests_[m].size();
      for (std::size_t i = 0; i < manifests_[m].size(); ++i) remember(manifests_[m][i].image, {m, i});
    }
  }

  RegionImportSummary run() {
    Progress progress("regions", summary_.images);
    const auto take = [&](ImportedRegions&& imported) {
      if (stop_requested()) throw Interrupted("regions: interrupted; the same command begins again");
      add(std::move(imported));
      progress.update(summary_.matched);
    };
    if (fs::is_directory(options_.from)) {
      std::vector<fs::path> files;
      for (const auto& entry : fs::directory_iterator(options_.from)) {
        if (entry.path().extension() == ".npz") files.push_back(entry.path());
      }
      std::sort(files.begin(), files.end());
      if (files.empty()) throw DataError(options_.from.string() + ": there is no .npz file in the folder");
      for (const auto& file : files) read(file, take);
    } else {
      read(options_.from, take);
    }
    progress.clear();
    if (summary_.matched == 0) {
      throw DataError(fmt::format("{}: {} entries, none of them for an image of {}", options_.from.string(), summary_.foreign,
                                  dataset_.root.string()));
    }
    for (std::size_t m = 0; m < manifests_.size(); ++m) update_manifest(manifests_[m], "regions", paths_[m]);
    return summary_;
  }

 private:
  struct Place {
    std::size_t manifest, sample;
    bool ambiguous = false;
  };

  /// The file's name up to its first dot, and the number it ends in.
  void remember(std::string_view image, const Place& place) {
    const std::size_t end = image.find_last_of("#/");
    if (end != std::string_view::npos) image.remove_prefix(end + 1);
    const std::string stem(image.substr(0, image.find('.')));
    remember_key(stem, place);
    std::string number = stem.substr(stem.find_last_not_of("0123456789") + 1);  // npos + 1 is 0
    if (number.empty()) return;
    number.erase(0, std::min(number.find_first_not_of('0'), number.size() - 1));
    remember_key(number, place);
  }
  void remember_key(const std::string& key, const Place& place) {
    const auto [known, added] = places_.emplace(key, place);
    if (!added && (known->second.manifest != place.manifest || known->second.sample != place.sample))
      known->second.ambiguous = true;
  }

  template <class Take>
  void read(const fs::path& file, Take&& take) {
    where_ = file.string();
    if (file.extension() == ".npz") {
      take(read_region_npz(file));
    } else {
      read_region_tsv(file, take);
    }
  }

  void add(ImportedRegions&& imported) {
    const std::string what = fmt::format("{}: image {}", where_, imported.image_id);
    const auto found = places_.find(imported.image_id);
    if (found == places_.end()) {
      ++summary_.foreign;
      return;
    }
    if (found->second.ambiguous)
      throw DataError(what + " fits several images of the data set by its name; import the splits one by one");
    RegionFile& regions = imported.regions;
    check(imported, what);
    shorten(regions);
    regions.classes = options_.classes;
    regions.attribute_names = options_.attributes;
    regions.source = "imported from " + options_.from.filename().string();
    const auto [m, i, ambiguous] = found->second;
    const std::string path = region_path(manifests_[m][i]);
    const fs::path file = path_below(dataset_.root, path);
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    if (error) throw RunError(fmt::format("{}: cannot be made: {}", file.parent_path().string(), error.message()));
    write_region_file(file, regions);
    summary_.matched += !paths_[m][i].has_value();
    paths_[m][i] = path;
  }

  void check(ImportedRegions& imported, const std::string& what) {
    RegionFile& regions = imported.regions;
    const std::int64_t n = regions.boxes.size(0);
    if (n == 0) {
      regions.features = at::zeros({0, std::max<std::int64_t>(width_, 1)});
      return;
    }
    if (width_ == 0) width_ = regions.features.size(1);
    if (regions.features.size(1) != width_) {
      throw DataError(
          fmt::format("{}: features are {} wide, those before are {}; the regions of a data set come from one detector", what,
                      regions.features.size(1), width_));
    }
    const at::Tensor x1 = regions.boxes.select(1, 0), y1 = regions.boxes.select(1, 1), x2 = regions.boxes.select(1, 2),
                     y2 = regions.boxes.select(1, 3);
    bool outside = x2.lt(x1).logical_or(y2.lt(y1)).any().item<bool>();
    if (imported.width > 0 && imported.height > 0) {
      const auto width = static_cast<double>(imported.width), height = static_cast<double>(imported.height);
      outside = outside || x2.le(0).logical_or(y2.le(0)).logical_or(x1.ge(width)).logical_or(y1.ge(height)).any().item<bool>();
      if (!outside) regions.boxes = clip_boxes(regions.boxes, {imported.height, imported.width});
    }
    if (outside)
      throw DataError(fmt::format("{}: a box lies outside the picture of {} x {} pixels, or is inside out", what, imported.width,
                                  imported.height));
    for (const auto& [name, ids, names] : {std::tuple{"objects_id", regions.labels, &options_.classes},
                                           std::tuple{"attrs_id", regions.attributes, &options_.attributes}}) {
      if (!ids.defined() || names->empty()) continue;
      const auto most = ids.max().item<std::int64_t>(), least = ids.min().item<std::int64_t>();
      if (least < 0 || most >= static_cast<std::int64_t>(names->size()))
        throw DataError(fmt::format("{}: {} is {}, and there are {} names", what, name, least < 0 ? least : most, names->size()));
    }
  }

  void shorten(RegionFile& regions) const {
    if (options_.top == 0 || regions.boxes.size(0) <= options_.top) return;
    for (at::Tensor* rows : {&regions.boxes, &regions.features, &regions.labels, &regions.scores, &regions.attributes}) {
      if (rows->defined()) *rows = rows->narrow(0, 0, options_.top);
    }
  }

  const Dataset& dataset_;
  const RegionImportOptions& options_;
  std::deque<Manifest> manifests_;
  std::vector<std::vector<std::optional<std::string>>> paths_;  // of each manifest, for update_manifest
  std::unordered_map<std::string, Place> places_;
  std::string where_;
  std::int64_t width_ = 0;
  RegionImportSummary summary_;
};

}  // namespace

RegionImportSummary import_regions(const Dataset& dataset, const RegionImportOptions& options) {
  return Import(dataset, options).run();
}

}  // namespace emotion
