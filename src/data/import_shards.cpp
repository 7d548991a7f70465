#include "emotion/data/import_shards.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/derived_dataset.h"
#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/gzip.h"
#include "emotion/io/lines.h"
#include "emotion/io/tar.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "image_path.h"
#include "importers/class_names.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kAlwaysUnpacked = 64 << 20;  // bytes of a compressed shard

/// `dir/000001.seg.png` -> key dir/000001, field seg.png (lower case): the key ends at the first dot of the base name.
/// False for names WebDataset ignores.
bool parse_member(const std::string& name, std::string& key, std::string& field) {
  const std::size_t base = name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == std::string::npos || name.compare(base, 2, "__") == 0 || dot == base) return false;
  key = name.substr(0, dot);
  field = name.substr(dot + 1);
  std::transform(field.begin(), field.end(), field.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return true;
}

/// `train-000012.tar` -> train; a name without a number is a split of its own.
std::string split_of(const fs::path& shard) {
  const std::string stem = shard.stem().string();
  std::size_t end = stem.find_last_not_of("0123456789");
  end = end == std::string::npos ? stem.size() : end + 1;
  const std::string name = stem.substr(0, end);
  const std::string bare = name.substr(0, name.find_last_not_of("-_") + 1);
  return bare.empty() ? "train" : bare;
}

class ShardReader {
 public:
  explicit ShardReader(const std::vector<std::string>& class_names) : class_names_(class_names) {}

  /// Samples of one shard, appended.
  void read(const fs::path& root, const fs::path& relative, std::vector<Sample>& samples) {
    archive_ = root / relative;
    std::string key, current, field;
    std::map<std::string, std::string> fields;  // field -> member
    const auto finish = [&] {
      if (!fields.empty()) add(relative.string(), current, fields, samples);
      fields.clear();
    };
    for (const TarMember& member : read_tar_index(archive_)) {
      if (!parse_member(member.name, key, field)) continue;
      if (key != current) finish();
      current = key;
      if (!fields.emplace(field, member.name).second) refuse(member.name, "the field stands twice in its sample");
    }
    finish();
  }

  std::uint64_t without_picture() const { return without_picture_; }

 private:
  [[noreturn]] void refuse(const std::string& member, const std::string& what) const {
    throw DataError(fmt::format("{}#{}: {}", archive_.string(), member, what));
  }

  std::string content(const std::string& member) const { return read_file_or_member(archive_.string() + "#" + member); }

  std::string class_name(std::int64_t id, const std::string& member) const {
    if (class_names_.empty()) return std::to_string(id);
    if (id < 0 || id >= static_cast<std::int64_t>(class_names_.size()))
      refuse(member, fmt::format("class id {} is out of range; there are {} names", id, class_names_.size()));
    return class_names_[static_cast<std::size_t>(id)];
  }

  std::vector<std::string> names(const nlohmann::json& value, const std::string& member, bool classes) const {
    std::vector<std::string> list;
    for (const auto& item : value.is_array() ? value : nlohmann::json::array({value})) {
      if (item.is_string() && !item.get_ref<const std::string&>().empty()) {
        list.push_back(item);
      } else if (classes && item.is_number_integer()) {
        list.push_back(class_name(item.get<std::int64_t>(), member));
      } else {
        refuse(member, "a label or keyword is neither text nor a class id");
      }
    }
    return list;
  }

  /// The picture's name before it was packed, as pack_dataset() writes it; empty where the text is no plain path.
  static std::string name_before(const nlohmann::json& value) {
    if (!value.is_string()) return {};
    const auto& name = value.get_ref<const std::string&>();
    try {
      path_below(".", name);
    } catch (const DataError&) {
      return {};
    }
    return plain_path(name) == name ? name : std::string();
  }

  std::array<float, 4> read_box(const nlohmann::json& json, const std::string& member) const {
    std::array<float, 4> box{};
    const bool list = json.is_array() && json.size() == box.size();
    bool valid = list && std::all_of(json.begin(), json.end(), [](const auto& x) { return x.is_number(); });
    for (std::size_t i = 0; valid && i < box.size(); ++i) {
      const auto number = json[i].get<double>();
      valid = std::abs(number) <= std::numeric_limits<float>::max();
      box[i] = valid ? static_cast<float>(number) : 0;
    }
    if (!valid) refuse(member, "\"box\": [x, y, width, height] is wanted");
    if (box[2] <= 0 || box[3] <= 0) refuse(member, "\"box\": width and height must be above 0");
    return box;
  }

  void read_json(const std::string& member, Sample& sample) const {
    const auto json = nlohmann::json::parse(content(member), nullptr, false);
    if (!json.is_object()) refuse(member, "not a JSON object");
    if (json.contains("image")) sample.source = name_before(json["image"]);
    for (const char* name : {"labels", "label"}) {
      if (json.contains(name) && sample.labels.empty()) sample.labels = names(json[name], member, true);
    }
    std::set<std::string> seen;
    std::erase_if(sample.labels, [&](const auto& label) { return !seen.insert(label).second; });
    if (json.contains("keywords")) sample.keywords = names(json["keywords"], member, false);
    if (json.contains("votes")) sample.votes = names(json["votes"], member, true);
    if (json.contains("box")) sample.box = read_box(json["box"], member);
  }

  void add(const std::string& shard, const std::string& key, const std::map<std::string, std::string>& fields,
           std::vector<Sample>& samples) {
    Sample sample;
    for (const std::string& kind : picture_suffixes()) {
      if (sample.image.empty() && fields.contains(kind)) sample.image = shard + "#" + fields.at(kind);
      if (sample.face.empty() && fields.contains("face." + kind)) sample.face = shard + "#" + fields.at("face." + kind);
    }
    if (sample.image.empty()) {
      ++without_picture_;
      log_debug("{}#{}: a sample without a picture", archive_.string(), key);
      return;
    }
    if (fields.contains("json")) read_json(fields.at("json"), sample);
    if (sample.labels.empty() && fields.contains("cls")) {
      std::string text = content(fields.at("cls"));
      text.erase(text.find_last_not_of(" \t\r\n") + 1);
      std::int64_t id = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
      if (text.empty()) refuse(fields.at("cls"), "the class is empty");
      const bool is_id = error == std::errc() && end == text.data() + text.size();
      sample.labels = {is_id ? class_name(id, fields.at("cls")) : text};
    }
    samples.push_back(std::move(sample));
  }

  fs::path archive_;
  const std::vector<std::string>& class_names_;
  std::uint64_t without_picture_ = 0;
};

/// Names that do not tell the samples of a split apart, as pack_dataset()'s do with their boxes, are none of pictures.
void drop_shared_names(std::vector<Sample>& samples) {
  std::set<std::pair<std::string, std::optional<std::array<float, 4>>>> seen;
  const bool shared = std::any_of(samples.begin(), samples.end(), [&](const Sample& sample) {
    return !sample.source.empty() && !seen.emplace(sample.source, sample.box).second;
  });
  if (!shared) return;
  for (Sample& sample : samples) sample.source.clear();
}

/// True if the samples' pictures are the same bytes; sizes, which the index has, are compared first.
bool are_copies(const fs::path& root, std::span<Sample* const> samples) {
  const auto all = [&](const auto& as_the_first) { return std::all_of(samples.begin() + 1, samples.end(), as_the_first); };
  const fs::path first = root / samples[0]->image;
  const std::uint64_t bytes = file_or_member_state(first).bytes;
  if (!all([&](const Sample* sample) { return file_or_member_state(root / sample->image).bytes == bytes; })) return false;
  const std::string content = read_file_or_member(first);
  return all([&](const Sample* sample) { return read_file_or_member(root / sample->image) == content; });
}

/// A name is one picture's where all members that have it are copies: shards of others may count anew in each split.
void drop_names_of_several(const fs::path& root, std::map<std::string, std::vector<Sample>>& splits) {
  std::vector<Sample*> named;
  for (auto& [split, samples] : splits) {
    for (Sample& sample : samples) {
      if (!sample.source.empty()) named.push_back(&sample);
    }
  }
  std::stable_sort(named.begin(), named.end(), [](const Sample* a, const Sample* b) { return a->source < b->source; });
  std::uint64_t dropped = 0;
  for (auto begin = named.begin(); begin != named.end();) {
    if (stop_requested()) throw Interrupted("import: interrupted; no data set was written");
    const auto end = std::find_if(begin, named.end(), [&](const Sample* sample) { return sample->source != (*begin)->source; });
    const std::span<Sample* const> alike(begin, end);
    begin = end;
    if (alike.size() == 1 || are_copies(root, alike)) continue;
    for (Sample* sample : alike) sample->source.clear();
    ++dropped;
  }
  if (dropped > 0) log_info("{}: {} names stand for several pictures and are left out", root.string(), dropped);
}

/// Numbers by value, then names by letter.
struct ClassOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    const auto is_number = [](const std::string& s) { return s.find_first_not_of("0123456789") == std::string::npos; };
    if (is_number(a) != is_number(b)) return is_number(a);
    if (is_number(a) && a.size() != b.size()) return a.size() < b.size();
    return a < b;
  }
};

/// Where the shards lie as plain archives, and their names there, sorted.
struct ShardFolder {
  fs::path root;
  std::vector<fs::path> shards;
};

/// The plain archive that a compressed shard becomes; empty for other files.
std::string plain_name(const fs::path& file) {
  const std::string name = file.filename().string();
  for (const char* ending : {".tar.bz2", ".tar.xz", ".tar.zst"}) {
    if (name.ends_with(ending))
      throw DataError(file.string() + ": shards packed by gzip or not at all are read; unpack it first");
  }
  if (name.ends_with(".tar.gz")) return name.substr(0, name.size() - 3);
  return name.ends_with(".tgz") ? name.substr(0, name.size() - 4) + ".tar" : std::string();
}

/// Samples are read from within archives at any place, which a compressed one does not allow: it is unpacked into `out`.
ShardFolder find_shards(const fs::path& root, const fs::path& out) {
  std::set<fs::path> plain;
  std::map<fs::path, fs::path> packed;  // the name it gets -> file
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.path().extension() == ".tar") plain.insert(entry.path().filename());
    if (const std::string name = plain_name(entry.path()); !name.empty()) packed.emplace(name, entry.path());
  }
  std::erase_if(packed, [&](const auto& shard) { return plain.contains(shard.first); });  // unpacked already
  if (packed.empty()) return {root, {plain.begin(), plain.end()}};
  if (!plain.empty()) {
    const std::string file = packed.begin()->second.string();
    throw DataError(fmt::format("{0}: compressed, and others beside it are not; unpack it there: gunzip -k {0}", file));
  }
  make_dataset_folder(out);
  ShardFolder folder{out, {}};
  for (const auto& [name, file] : packed) {
    if (stop_requested()) throw Interrupted("import: interrupted; nothing is kept but shards that were unpacked");
    // Pictures hardly pack; headers, padding and texts do.
    write_file_atomically(
        out / name, [&from = file](std::ostream& to) { unpack_gzip(from, to, kAlwaysUnpacked + 100 * fs::file_size(from)); });
    log_info("{}: unpacked to {}", file.string(), (out / name).string());
    folder.shards.push_back(name);
  }
  return folder;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  const std::string text = read_text(file);
  for (const auto [line, number] : Lines(text)) {
    const std::string_view name = line.substr(0, line.find_last_not_of(" \t\r") + 1);
    if (!name.empty()) lines.emplace_back(name);
  }
  return lines;
}

}  // namespace

void import_shards(const ShardImport& options) {
  if (!fs::is_directory(options.root)) throw DataError(options.root.string() + ": no such folder");
  const ShardFolder folder = find_shards(options.root, options.out);
  if (folder.shards.empty()) throw DataError(options.root.string() + ": no .tar or .tar.gz file in it");
  const std::vector<std::string> names = options.classes.empty() ? std::vector<std::string>{} : lines_of(options.classes);
  ShardReader reader(names);
  std::map<std::string, std::vector<Sample>> splits;
  for (const auto& shard : folder.shards) reader.read(folder.root, shard, splits[split_of(shard)]);
  for (auto& [split, samples] : splits) drop_shared_names(samples);
  drop_names_of_several(folder.root, splits);
  std::set<std::string, ClassOrder> found;
  for (const auto& [split, samples] : splits) {
    for (const auto& sample : samples) {
      found.insert(sample.labels.begin(), sample.labels.end());
      found.insert(sample.votes.begin(), sample.votes.end());
    }
  }
  Dataset source;
  source.root = folder.root;
  source.name = fs::absolute(options.root).filename().string();
  source.classes = names;
  for (const auto& name : found) {
    if (std::find(names.begin(), names.end(), name) == names.end()) source.classes.push_back(name);
  }
  if (source.classes.empty()) throw DataError(options.root.string() + ": no sample has a label (fields cls or json)");
  for (const auto& [split, samples] : splits) {  // before any of them is written
    if (samples.empty()) throw DataError(fmt::format("{}: the shards of {} hold no picture", options.root.string(), split));
  }
  Dataset dataset = derive_dataset(source, options.out);
  SplitFiles files(dataset, splits);
  std::string summary;
  for (const auto& [split, samples] : splits) {
    ManifestWriter writer(options.out / (split + ".jsonl"));
    for (const auto& sample : samples) writer.write(sample);
    writer.close();
    dataset.splits.emplace_back(split, split + ".jsonl");
    summary += fmt::format(", {} {}", split, samples.size());
  }
  dataset.save();
  files.keep();
  std::vector<ClassCounts> counts;
  for (const auto& [split, samples] : splits) counts.push_back(ClassCounts::of(split, samples));
  warn_of_absent_classes(counts);
  if (reader.without_picture() > 0) log_warning("{} samples have no picture and are left out", reader.without_picture());
  log_info("{}: {} classes{}", options.out.string(), dataset.classes.size(), summary);
}

}  // namespace emotion
