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
  };
  /// The picture that a name stands for, and another one where the name does not tell.
  struct Named {
    std::string_view image, other;
  };

  void remember(std::string_view image, const Place& place) {
    auto& places = places_[image];  // of several: a sample for each box of a picture, or splits that share it
    places.push_back(place);
    if (places.size() > 1) return;
    const std::string_view stem = stem_of(image);
    remember_name(std::string(stem), image);
    if (const std::string number = number_of(stem); !number.empty() && number != stem) remember_name(number, image);
  }
  void remember_name(const std::string& name, std::string_view image) {
    const auto [known, added] = names_.emplace(name, Named{image, {}});
    if (!added) known->second.other = image;
  }

  /// The file's name up to its first dot.
  static std::string_view stem_of(std::string_view image) {
    image.remove_prefix(image.find_last_of("#/") + 1);  // npos + 1 is 0
    return image.substr(0, image.find('.'));
  }

  /// The number in a name, without leading zeros; empty unless the name ends in it and it is the only one there that letters do
  /// not belong to: img_12_v2 and img_12_2 have none, COCO_val2014_000000262148 has 262148.
  static std::string number_of(std::string_view stem) {
    constexpr std::string_view kDigits = "0123456789";
    std::string_view number;
    for (std::size_t begin = 0; begin <= stem.size();) {
      const std::size_t end = std::min(stem.find_first_of("_- ", begin), stem.size());
      const std::string_view part = stem.substr(begin, end - begin);
      const bool digits = !part.empty() && part.find_first_not_of(kDigits) == std::string_view::npos;
      if (digits && (!number.empty() || end < stem.size())) return {};
      if (digits) number = part;
      begin = end + 1;
    }
    if (number.empty()) return {};
    return std::string(number.substr(std::min(number.find_first_not_of('0'), number.size() - 1)));
  }

  /// @throws DataError where two pictures have the name
  std::optional<std::string_view> image_of(const std::string& id, const std::string& what) const {
    auto found = names_.find(id);
    if (found == names_.end() && id.find_first_not_of("0123456789") == std::string::npos) found = names_.find(number_of(id));
    if (found == names_.end()) return std::nullopt;
    const auto [image, other] = found->second;
    if (!other.empty()) {
      throw DataError(
          fmt::format("{} fits both {} and {} by their names; one of them needs another name, or --split a split without it",
                      what, image, other));
    }
    return image;
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
    const auto image = image_of(imported.image_id, what);
    if (!image) {
      ++summary_.foreign;
      return;
    }
    if (const auto [before, added] = ids_.emplace(*image, imported.image_id); !added && before->second != imported.image_id)
      throw DataError(fmt::format("{} fits {}, as image {} before it does", what, *image, before->second));
    RegionFile& regions = imported.regions;
    check(imported, what);
    shorten(regions);
    regions.classes = options_.classes;
    regions.attribute_names = options_.attributes;
    regions.source = "imported from " + options_.from.filename().string();
    const auto& places = places_.at(*image);
    const std::string path = region_path(manifests_[places[0].manifest][places[0].sample]);
    const fs::path file = path_below(dataset_.root, path);
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    if (error) throw RunError(fmt::format("{}: cannot be made: {}", file.parent_path().string(), error.message()));
    write_region_file(file, regions);
    for (const auto& [m, i] : places) {
      summary_.matched += !paths_[m][i].has_value();
      paths_[m][i] = path;
    }
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
      if (!ids.defined()) continue;
      const auto most = ids.max().item<std::int64_t>(), least = ids.min().item<std::int64_t>();
      if (least < 0) throw DataError(fmt::format("{}: {} is {}; ids count from 0", what, name, least));
      if (!names->empty() && most >= static_cast<std::int64_t>(names->size()))
        throw DataError(fmt::format("{}: {} is {}, and there are {} names", what, name, most, names->size()));
    }
  }

  void shorten(RegionFile& regions) const {
    if (options_.top > 0) regions.top = options_.top;
    if (options_.top == 0 || regions.boxes.size(0) <= options_.top) return;
    for (at::Tensor* rows : {&regions.boxes, &regions.features, &regions.labels, &regions.scores, &regions.attributes}) {
      if (rows->defined()) *rows = rows->narrow(0, 0, options_.top);
    }
  }

  const Dataset& dataset_;
  const RegionImportOptions& options_;
  std::deque<Manifest> manifests_;
  std::vector<std::vector<std::optional<std::string>>> paths_;       // of each manifest, for update_manifest
  std::unordered_map<std::string_view, std::vector<Place>> places_;  // of each picture; names lie in the manifests
  std::unordered_map<std::string, Named> names_;
  std::unordered_map<std::string_view, std::string> ids_;  // of the entries that pictures have so far
  std::string where_;
  std::int64_t width_ = 0;
  RegionImportSummary summary_;
};

}  // namespace

RegionImportSummary import_regions(const Dataset& dataset, const RegionImportOptions& options) {
  return Import(dataset, options).run();
}

}  // namespace emotion
