#include "emotion/data/split.h"
#include "emotion/data/box_key.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <regex>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "emotion/data/derived_dataset.h"
#include "emotion/data/duplicates.h"
#include "emotion/data/near_duplicates.h"
#include "emotion/data/split_ratio.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"
#include "image_path.h"
#include "importers/class_names.h"

namespace emotion {
namespace {

constexpr std::uint64_t kSplitStream = 0x67727073;

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::uint64_t> ratio_counts(std::span<const double> parts, std::uint64_t total) {
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  std::vector<std::uint64_t> counts;
  double passed = 0;
  std::uint64_t given = 0;
  for (const double part : parts) {
    passed += part;
    const auto end = static_cast<std::uint64_t>(std::llround(passed / sum * static_cast<double>(total)));
    counts.push_back(end - given);
    given = end;
  }
  return counts;
}

/// What two samples have in common that are one: the picture and the box.
std::string key_of(const SampleView& sample) {
  std::string key = plain_path(sample.picture());
  if (sample.box) append_box(key, *sample.box);
  return key;
}

/// All samples of a data set, split after split; of a sample that several splits have, as folds do, the first.
struct AllSamples {
  std::vector<Manifest> manifests;
  std::vector<std::vector<std::size_t>> taken;  // of each manifest
  std::vector<std::size_t> begins{0};

  explicit AllSamples(const Dataset& dataset) {
    std::unordered_set<std::string> seen;
    std::size_t repeated = 0;
    for (const auto& [split, file] : dataset.splits) {
      const Manifest& manifest = manifests.emplace_back(Manifest::open(dataset, split));
      std::vector<std::size_t>& own = taken.emplace_back();
      for (std::size_t i = 0; i < manifest.size(); ++i) {
        if (seen.insert(key_of(manifest[i])).second) own.push_back(i);
      }
      repeated += manifest.size() - own.size();
      begins.push_back(begins.back() + own.size());
    }
    if (repeated > 0)
      log_info("{}: {} samples stand in another split as well; the first of each is taken", dataset.root.string(), repeated);
  }
  std::size_t size() const { return begins.back(); }
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t m = 0; m < manifests.size(); ++m) {
      for (std::size_t k = 0; k < taken[m].size(); ++k)
        visit(static_cast<std::uint32_t>(begins[m] + k), manifests[m], taken[m][k]);
    }
  }
};

std::regex compile(const std::string& key) {
  try {
    return std::regex(key, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw ConfigError(fmt::format("--key '{}' is not a regular expression: {}", key, error.what()));
  }
}

/// Sets of samples that must not be parted.
std::vector<std::uint32_t> group_samples(const AllSamples& samples, const NewSplits& config) {
  DisjointSets sets(samples.size());
  std::unordered_map<std::string, std::uint32_t> first_of_picture, first_of_image, first_of_key;
  samples.each([&](std::uint32_t sample, const Manifest& manifest, std::size_t i) {
    sets.unite(first_of_picture.emplace(manifest[i].picture(), sample).first->second, sample);
    if (!manifest[i].source.empty()) first_of_image.emplace(manifest[i].image, sample);
  });
  if (!config.groups.empty()) {
    std::size_t met = 0;
    for (const auto& group : read_duplicate_groups(config.groups)) {
      std::int64_t first = -1;
      for (const auto& image : group) {
        const auto& named = first_of_image.contains(image) ? first_of_image : first_of_picture;
        const auto found = named.find(image);
        if (found == named.end()) continue;
        ++met;
        if (first >= 0) sets.unite(static_cast<std::uint32_t>(first), found->second);
        first = found->second;
      }
    }
    if (met == 0) log_warning("{}: names no picture of this data set", config.groups.string());
  }
  if (!config.key.empty()) {
    const std::regex key = compile(config.key);
    samples.each([&](std::uint32_t sample, const Manifest& manifest, std::size_t i) {
      const std::string image(manifest[i].picture());
      std::smatch match;
      if (!std::regex_search(image, match, key))
        throw DataError(fmt::format("{}: image {} does not match --key '{}'", manifest.place(i), image, config.key));
      sets.unite(first_of_key.emplace(match.size() > 1 ? match[1].str() : match[0].str(), sample).first->second, sample);
    });
  }
  std::vector<std::uint32_t> group(samples.size());
  for (std::uint32_t i = 0; i < group.size(); ++i) group[i] = sets.find(i);
  return group;
}

/// The samples of each group, groups in the order of their first sample.
std::vector<std::vector<std::uint32_t>> members_of(std::span<const std::uint32_t> group_of_sample) {
  std::unordered_map<std::uint32_t, std::size_t> number;
  std::vector<std::vector<std::uint32_t>> groups;
  for (std::uint32_t i = 0; i < group_of_sample.size(); ++i) {
    const auto [found, fresh] = number.emplace(group_of_sample[i], groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].push_back(i);
  }
  return groups;
}

std::vector<std::size_t> drawn_order(std::size_t count, Random& random) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(std::span(order));
  return order;
}

/// A place by chance in proportion to its weight; one weight at least is above 0.
std::size_t draw_weighted(std::span<const std::uint64_t> weights, Random& random) {
  std::uint64_t draw = random.below(std::accumulate(weights.begin(), weights.end(), std::uint64_t{0}));
  std::size_t place = 0;
  for (; draw >= weights[place]; ++place) draw -= weights[place];
  return place;
}

std::size_t largest(std::span<const std::uint64_t> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// How many samples of each class each part is to have, counted down as groups are placed.
class ClassRoom {
 public:
  ClassRoom(std::span<const std::uint32_t> class_of_sample, std::span<const double> shares) : total_(shares.size()) {
    std::map<std::uint32_t, std::uint64_t> counts;
    for (const std::uint32_t cls : class_of_sample) ++counts[cls];
    std::vector<double> owed(shares.size());
    for (const auto& [cls, count] : counts) {
      room_[cls] = divide(count, shares, owed);
      for (std::size_t p = 0; p < shares.size(); ++p) total_[p] += room_[cls][p];
    }
  }

  /// The part for a group: one where most of its samples have room, by chance in proportion to that room.
  std::size_t place(std::span<const std::uint32_t> classes, Random& random) {
    std::map<std::uint32_t, std::uint64_t> counts;
    for (const std::uint32_t cls : classes) ++counts[cls];
    std::vector<std::uint64_t> fitting(total_.size()), weights(total_.size());
    for (const auto& [cls, count] : counts) {
      for (std::size_t p = 0; p < total_.size(); ++p) {
        fitting[p] += std::min(count, room_[cls][p]);
        weights[p] += room_[cls][p];
      }
    }
    const std::uint64_t most = fitting[largest(fitting)];
    for (std::size_t p = 0; p < total_.size(); ++p) {
      if (fitting[p] < most) weights[p] = 0;
    }
    const std::size_t part = most > 0 ? draw_weighted(weights, random) : largest(total_);
    for (const auto& [cls, count] : counts) room_[cls][part] -= std::min(count, room_[cls][part]);
    total_[part] -= std::min<std::uint64_t>(classes.size(), total_[part]);
    return part;
  }

 private:
  /// `count` by largest remainder. `owed` is what each part has missed so far, in samples.
  static std::vector<std::uint64_t> divide(std::uint64_t count, std::span<const double> shares, std::vector<double>& owed) {
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    std::vector<std::uint64_t> sizes;
    std::vector<std::pair<std::int64_t, double>> rank;  // the remainder in billionths, so that equal ones are equal
    std::uint64_t given = 0;
    for (std::size_t p = 0; p < shares.size(); ++p) {
      const double exact = static_cast<double>(count) * shares[p] / sum;
      sizes.push_back(static_cast<std::uint64_t>(exact + 1e-9));
      const double remainder = exact - static_cast<double>(sizes[p]);
      owed[p] += remainder;
      rank.emplace_back(std::llround(remainder * 1e9), owed[p]);
      given += sizes[p];
    }
    for (; given < count; ++given) {
      const auto p = static_cast<std::size_t>(std::max_element(rank.begin(), rank.end()) - rank.begin());
      rank[p] = {-1, 0};  // one each
      ++sizes[p];
      owed[p] -= 1;
    }
    return sizes;
  }

  std::map<std::uint32_t, std::vector<std::uint64_t>> room_;  // of each class, by part
  std::vector<std::uint64_t> total_;                          // by part
};

/// The first label of each sample; one more than there are classes where it has none.
std::vector<std::uint32_t> first_labels(const AllSamples& samples, const Dataset& dataset) {
  std::vector<std::uint32_t> classes(samples.size(), static_cast<std::uint32_t>(dataset.classes.size()));
  samples.each([&](std::uint32_t sample, const Manifest& manifest, std::size_t i) {
    if (!manifest[i].labels.empty()) classes[sample] = manifest[i].labels[0];
  });
  return classes;
}

void warn_of_small_classes(std::span<const std::uint32_t> class_of_sample, const Dataset& dataset, int folds) {
  std::vector<std::uint64_t> counts(dataset.classes.size() + 1);
  for (const std::uint32_t id : class_of_sample) ++counts[id];
  for (std::size_t k = 0; k < dataset.classes.size(); ++k) {
    if (counts[k] > 0 && counts[k] < static_cast<std::uint64_t>(folds))
      log_warning("class {} has {} samples, fewer than {} folds", dataset.classes[k], counts[k], folds);
  }
}

std::vector<std::string> part_names(const std::string& names, std::size_t count) {
  std::vector<std::string> list = names.empty() ? std::vector<std::string>{"train", "val", "test"} : parts_of(names);
  if (names.empty() && count <= list.size()) list.resize(count);
  if (list.size() != count) {
    throw ConfigError(fmt::format("{} parts need as many names; give --names {}", count,
                                  count == 1 ? "train" : "train/val/.. with one for each"));
  }
  std::set<std::string> seen;
  for (const auto& name : list) {
    if (name.empty() || name[0] == '.' || !seen.insert(name).second)
      throw ConfigError(fmt::format("'{}' is no name of a split, or stands twice", name));
  }
  return list;
}

}  // namespace

std::vector<std::uint64_t> parse_counts(const std::string& text, std::uint64_t total) {
  std::vector<std::uint64_t> counts;
  std::uint64_t sum = 0;
  int rest = -1;
  for (const std::string& part : parts_of(text)) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), count);
    if (part == "*" && rest < 0) {
      rest = static_cast<int>(counts.size());
    } else if (error != std::errc() || end != part.data() + part.size() || count == 0 || count > std::uint64_t{1} << 40) {
      throw ConfigError(
          fmt::format("counts '{}': '{}' is no number of samples; 1000/50/* has the rest as its last part", text, part));
    }
    sum += count;
    counts.push_back(count);
  }
  if (sum > total) throw ConfigError(fmt::format("counts '{}' add up to {}, there are {} samples", text, sum, total));
  if (rest >= 0) counts[static_cast<std::size_t>(rest)] = total - sum;
  return counts;
}

std::vector<int> assign_groups(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint64_t> targets,
                               std::uint64_t seed) {
  const auto groups = members_of(group_of_sample);
  Random random{seed, kSplitStream};
  std::vector<std::size_t> order = drawn_order(groups.size(), random);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return groups[a].size() > groups[b].size(); });
  // What no part wants is a part as well: -1.
  const std::uint64_t wanted = std::accumulate(targets.begin(), targets.end(), std::uint64_t{0});
  std::vector<std::uint64_t> room(targets.begin(), targets.end());
  room.push_back(group_of_sample.size() - std::min<std::uint64_t>(wanted, group_of_sample.size()));
  std::vector<int> part_of(group_of_sample.size(), -1);
  for (const std::size_t g : order) {
    const std::uint64_t size = groups[g].size();
    std::vector<std::uint64_t> fitting = room;
    for (std::uint64_t& r : fitting) r = r >= size ? r : 0;
    const std::size_t part = fitting[largest(fitting)] > 0 ? draw_weighted(fitting, random) : largest(room);
    room[part] -= std::min(room[part], size);
    for (const std::uint32_t sample : groups[g]) part_of[sample] = part < targets.size() ? static_cast<int>(part) : -1;
  }
  return part_of;
}

std::vector<int> stratify_groups(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint32_t> class_of_sample,
                                 std::span<const double> shares, std::uint64_t seed) {
  const auto groups = members_of(group_of_sample);
  Random random{seed, kSplitStream};
  std::vector<std::size_t> order = drawn_order(groups.size(), random);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return groups[a].size() > groups[b].size(); });
  ClassRoom room(class_of_sample, shares);
  std::vector<int> part_of(group_of_sample.size());
  for (const std::size_t g : order) {
    std::vector<std::uint32_t> classes;
    for (const std::uint32_t sample : groups[g]) classes.push_back(class_of_sample[sample]);
    const auto part = static_cast<int>(room.place(classes, random));
    for (const std::uint32_t sample : groups[g]) part_of[sample] = part;
  }
  return part_of;
}

std::vector<int> deal_folds(std::span<const std::uint32_t> group_of_sample, std::span<const std::uint32_t> class_of_sample,
                            int folds, std::uint64_t seed) {
  const auto groups = members_of(group_of_sample);
  Random random{seed, kSplitStream};
  std::vector<std::size_t> order = drawn_order(groups.size(), random);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    if (groups[a].size() != groups[b].size()) return groups[a].size() > groups[b].size();
    return class_of_sample[groups[a][0]] < class_of_sample[groups[b][0]];
  });
  const auto parts = static_cast<std::size_t>(folds);
  std::unordered_map<std::uint32_t, std::vector<std::uint64_t>> held;  // of each class, by each fold
  std::vector<std::uint64_t> size(parts);
  std::vector<int> fold_of(group_of_sample.size());
  for (const std::size_t g : order) {
    std::vector<std::uint64_t> alike(parts);  // samples of the group's classes that a fold has
    for (const std::uint32_t sample : groups[g]) {
      auto& counts = held[class_of_sample[sample]];
      counts.resize(parts);
      for (std::size_t k = 0; k < parts; ++k) alike[k] += counts[k];
    }
    std::size_t fold = 0;
    for (std::size_t k = 1; k < parts; ++k) {
      if (std::pair(alike[k], size[k]) < std::pair(alike[fold], size[fold])) fold = k;
    }
    for (const std::uint32_t sample : groups[g]) {
      ++held[class_of_sample[sample]][fold];
      ++size[fold];
      fold_of[sample] = static_cast<int>(fold);
    }
  }
  return fold_of;
}

namespace {

/// Where the samples go: names of the parts, and the part of each sample.
struct Parts {
  std::vector<std::string> names;
  std::vector<int> of_sample;
};

Parts draw_parts(const AllSamples& samples, const Dataset& source, const NewSplits& config) {
  const std::vector<std::uint32_t> group = group_samples(samples, config);
  if (!config.counts.empty()) {
    const auto targets = parse_counts(config.counts, samples.size());
    return {part_names(config.names, targets.size()), assign_groups(group, targets, config.seed)};
  }
  const SplitRatio ratio = SplitRatio::parse(config.ratio, "--ratio");
  ratio.tell_shares();
  std::vector<std::string> names = part_names(config.names, ratio.parts.size());
  if (config.stratify) return {names, stratify_groups(group, first_labels(samples, source), ratio.parts, config.seed)};
  return {names, assign_groups(group, ratio_counts(ratio.parts, samples.size()), config.seed)};
}

/// The splits by name, and which parts they are made of.
std::vector<std::pair<std::string, std::function<bool(int)>>> new_splits(const Parts& parts, int folds) {
  std::vector<std::pair<std::string, std::function<bool(int)>>> splits;
  for (std::size_t p = 0; p < parts.names.size(); ++p)
    splits.emplace_back(parts.names[p], [p](int part) { return part == static_cast<int>(p); });
  for (int k = 0; k < folds; ++k) {
    splits.emplace_back(fmt::format("train-{}", k + 1), [k](int part) { return part != k; });
    splits.emplace_back(fmt::format("val-{}", k + 1), [k](int part) { return part == k; });
  }
  return splits;
}

void warn_of_classes(const AllSamples& samples, const Dataset& source, const Parts& parts, bool stratified) {
  std::vector<ClassCounts> counts;
  for (const std::string& name : parts.names) counts.push_back({name, {}});
  samples.each([&](std::uint32_t sample, const Manifest& manifest, std::size_t i) {
    if (parts.of_sample[sample] < 0) return;
    for (const std::uint32_t id : manifest[i].labels)
      ++counts[static_cast<std::size_t>(parts.of_sample[sample])].samples[source.classes[id]];
  });
  warn_of_absent_classes(counts, stratified ? "" : "; --stratify divides each class by the ratio");
}

}  // namespace

void write_new_splits(const Dataset& source, const NewSplits& config, const std::filesystem::path& out) {
  if (config.folds == 1 || config.folds < 0) throw ConfigError(fmt::format("--folds is {}, at least 2 are needed", config.folds));
  if (config.stratify && (config.folds > 0 || !config.counts.empty()))
    throw ConfigError("--stratify goes with --ratio; --counts gives exact numbers, --folds deals every class evenly by itself");
  const AllSamples samples(source);
  Parts parts;
  if (config.folds > 0) {
    const std::vector<std::uint32_t> classes = first_labels(samples, source);
    warn_of_small_classes(classes, source, config.folds);
    parts.of_sample = deal_folds(group_samples(samples, config), classes, config.folds, config.seed);
  } else {
    parts = draw_parts(samples, source, config);
  }
  const std::vector<int>& part_of = parts.of_sample;
  const auto splits = new_splits(parts, config.folds);
  for (const auto& [name, chosen] : splits)  // before any of them is written
    refuse_empty_split(name, static_cast<std::size_t>(std::count_if(part_of.begin(), part_of.end(), chosen)));

  Dataset dataset = derive_dataset(source, out);
  SplitFiles files(dataset, splits, /*annotations=*/true);
  std::string summary;
  for (const auto& [name, chosen] : splits) {
    std::vector<CopiedLines> lines;
    std::size_t count = 0;
    for (const Manifest& manifest : samples.manifests) lines.push_back({&manifest, {}});
    for (std::size_t m = 0; m < lines.size(); ++m) {
      for (std::size_t k = 0; k < samples.taken[m].size(); ++k) {
        if (chosen(part_of[samples.begins[m] + k])) lines[m].samples.push_back(samples.taken[m][k]);
      }
      count += lines[m].samples.size();
    }
    write_split(dataset, name, lines);
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", name, count);
  }
  dataset.save();
  files.keep();
  if (config.folds == 0) warn_of_classes(samples, source, parts, config.stratify);
  const auto left = std::count(part_of.begin(), part_of.end(), -1);
  log_info("{}: {}{}", out.string(), summary, left > 0 ? fmt::format("; {} left out", left) : "");
}

}  // namespace emotion
