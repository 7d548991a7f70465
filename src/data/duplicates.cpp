#include "emotion/data/duplicates.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/derived_dataset.h"
#include "emotion/data/near_duplicates.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"

namespace emotion {

std::pair<int, bool> DuplicateReport::distance(std::uint32_t kept, std::uint32_t i) const {
  const PictureHash &a = pictures[kept].hash, &b = pictures[i].hash;
  const int plain = std::popcount(a.plain ^ b.plain);
  const int mirrored = std::min(std::popcount(a.plain ^ b.mirrored), std::popcount(a.mirrored ^ b.plain));
  if (!options.mirrored || plain <= mirrored) return {plain, false};
  return {mirrored, true};
}

std::size_t DuplicateReport::dropped() const {
  std::size_t sum = 0;
  for (const auto& group : groups) sum += group.pictures.size() - 1;
  return sum;
}

DuplicateReport find_duplicates(const Dataset& dataset, const DuplicateOptions& options) {
  DuplicateReport report;
  report.options = options;
  for (const auto& [name, file] : dataset.splits) report.splits.push_back(name);
  report.pictures = hash_pictures(dataset, options.workers);
  std::vector<PictureHash> hashes;
  std::vector<std::uint32_t> numbers;  // of the pictures that have a hash
  for (std::uint32_t i = 0; i < report.pictures.size(); ++i) {
    if (!report.pictures[i].error.empty()) {
      if (report.unreadable++ == 0) log_warning("{}: left as it is", report.pictures[i].error);
      continue;
    }
    hashes.push_back(report.pictures[i].hash);
    numbers.push_back(i);
  }
  if (report.unreadable > 1) log_warning("{} pictures cannot be read; emotion_data verify lists them", report.unreadable);
  const auto larger = [&](std::uint32_t a, std::uint32_t b) {
    const HashedPicture &p = report.pictures[a], &q = report.pictures[b];
    const auto area = [](const HashedPicture& x) { return static_cast<std::int64_t>(x.width) * x.height; };
    return std::tuple(-area(p), ~p.bytes, a) < std::tuple(-area(q), ~q.bytes, b);
  };
  for (const auto& members : near_duplicate_groups(hashes, options.radius, options.mirrored, options.workers)) {
    DuplicateGroup& group = report.groups.emplace_back();
    for (const std::uint32_t member : members) group.pictures.push_back(numbers[member]);
    std::iter_swap(group.pictures.begin(), std::min_element(group.pictures.begin(), group.pictures.end(), larger));
    std::sort(group.pictures.begin() + 1, group.pictures.end());
  }
  return report;
}

std::size_t unlike_groups(const Dataset& dataset, const DuplicateReport& report) {
  std::unordered_map<std::string_view, std::set<std::uint32_t>> labels;  // of the pictures in groups
  for (const DuplicateGroup& group : report.groups) {
    for (const std::uint32_t i : group.pictures) labels[report.pictures[i].picture];
  }
  for (const auto& [split, file] : dataset.splits) {
    const Manifest manifest = Manifest::open(dataset, split);
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const auto found = labels.find(manifest[i].picture());
      if (found != labels.end()) found->second.insert(manifest[i].labels.begin(), manifest[i].labels.end());
    }
  }
  return static_cast<std::size_t>(std::count_if(report.groups.begin(), report.groups.end(), [&](const DuplicateGroup& group) {
    const auto& first = labels[report.pictures[group.pictures[0]].picture];
    return std::any_of(group.pictures.begin(), group.pictures.end(),
                       [&](const std::uint32_t i) { return labels[report.pictures[i].picture] != first; });
  }));
}

void write_duplicate_groups(const DuplicateReport& report, const std::filesystem::path& file) {
  using Json = nlohmann::ordered_json;
  Json all{{"radius", report.options.radius}, {"mirrored", report.options.mirrored}, {"pictures", report.pictures.size()}};
  Json groups = Json::array();
  for (const auto& group : report.groups) {
    Json list = Json::array();
    for (const std::uint32_t i : group.pictures) {
      const HashedPicture& picture = report.pictures[i];
      const auto [bits, mirrored] = report.distance(group.pictures[0], i);
      Json splits = Json::array();
      for (const std::size_t split : picture.splits) splits.push_back(report.splits[split]);
      list.push_back({{"image", picture.image},
                      {"splits", splits},
                      {"width", picture.width},
                      {"height", picture.height},
                      {"hash", fmt::format("{:016x}", picture.hash.plain)},
                      {"distance", bits},
                      {"mirrored", mirrored}});
    }
    groups.push_back(std::move(list));
  }
  all["groups"] = std::move(groups);
  write_file_atomically(file, all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::vector<std::vector<std::string>> read_duplicate_groups(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::vector<std::vector<std::string>> groups;
  try {
    const auto all = nlohmann::json::parse(text);
    for (const auto& group : all.at("groups")) {
      auto& images = groups.emplace_back();
      for (const auto& picture : group) images.push_back(picture.at("image").get<std::string>());
    }
  } catch (const nlohmann::json::exception&) {
    throw DataError(file.string() + ": not a list of groups as emotion_data dedup --groups writes it");
  }
  return groups;
}

void write_without_duplicates(const Dataset& source, const DuplicateReport& report, const std::filesystem::path& out) {
  std::unordered_map<std::string_view, std::size_t> split_of;  // kept pictures
  for (const HashedPicture& picture : report.pictures) split_of.emplace(picture.picture, picture.splits.front());
  for (const auto& group : report.groups) {
    for (std::size_t k = 1; k < group.pictures.size(); ++k) split_of.erase(report.pictures[group.pictures[k]].picture);
  }
  std::vector<Manifest> manifests;
  std::vector<std::vector<std::size_t>> kept;
  for (std::size_t split = 0; split < source.splits.size(); ++split) {  // before any of them is written
    const Manifest& manifest = manifests.emplace_back(Manifest::open(source, source.splits[split].first));
    std::vector<std::size_t>& samples = kept.emplace_back();
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const auto found = split_of.find(manifest[i].picture());
      if (found != split_of.end() && found->second == split) samples.push_back(i);
    }
    refuse_empty_split(manifest.split(), samples.size());
  }
  Dataset dataset = derive_dataset(source, out);
  SplitFiles files(dataset, source.splits, /*annotations=*/true);
  std::string summary;
  for (std::size_t split = 0; split < manifests.size(); ++split) {
    const Manifest& manifest = manifests[split];
    write_split(dataset, manifest.split(), {{&manifest, kept[split]}});
    summary += fmt::format("{}{} {} of {}", split == 0 ? "" : ", ", manifest.split(), kept[split].size(), manifest.size());
  }
  dataset.save();
  files.keep();
  log_info("{}: {}", out.string(), summary);
}

}  // namespace emotion
