#include "emotion/data/pack.h"

#include <algorithm>
#include <numeric>
#include <ostream>
#include <set>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/derived_dataset.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kDigits = 9;  // of a sample's key
constexpr std::uint64_t kMostSamples = 1'000'000'000;

/// The field's name for a picture's bytes; what WebDataset's decoders go by.
const char* picture_field(std::string_view bytes, const std::string& place) {
  if (bytes.starts_with("\xff\xd8\xff")) return "jpg";
  if (bytes.starts_with("\x89PNG")) return "png";
  if (bytes.starts_with("RIFF") && bytes.substr(std::min<std::size_t>(8, bytes.size())).starts_with("WEBP")) return "webp";
  if (bytes.starts_with("GIF8")) return "gif";
  if (bytes.starts_with("BM")) return "bmp";
  if (bytes.starts_with(std::string_view("II*\0", 4)) || bytes.starts_with(std::string_view("MM\0*", 4))) return "tiff";
  throw DataError(place + ": not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are packed; emotion_data verify lists all");
}

nlohmann::ordered_json sample_json(const Sample& sample) {
  nlohmann::ordered_json json{{"image", sample.source.empty() ? sample.image : sample.source}};
  if (!sample.labels.empty()) json["labels"] = sample.labels;
  if (!sample.keywords.empty()) json["keywords"] = sample.keywords;
  if (!sample.votes.empty()) json["votes"] = sample.votes;
  if (sample.box) json["box"] = *sample.box;
  return json;
}

class Packer {
 public:
  Packer(const Manifest& manifest, const PackConfig& config) : manifest_(manifest), config_(config) {}

  std::uint64_t shards() const { return (manifest_.size() + config_.samples - 1) / config_.samples; }

  /// Every shard. Gives the number of those that were there already.
  std::uint64_t pack_all() const {
    Progress progress("pack " + manifest_.split(), shards());
    std::uint64_t kept = 0;
    for (std::uint64_t k = 0; k < shards(); ++k) {
      kept += pack(k);
      progress.update(k + 1);
    }
    remove_others();
    return kept;
  }

  /// The packed split's lines: where each shard has what. Gives the name of each sample's picture.
  std::vector<std::string> write_lines(ManifestWriter& writer) const {
    std::vector<std::string> images;
    for (std::uint64_t k = 0; k < shards(); ++k) {
      const std::string name = shard_name(k);
      const auto members = shard_members(config_.out / name);
      const std::size_t begin = k * config_.samples, end = std::min<std::size_t>(begin + config_.samples, manifest_.size());
      std::size_t at = 0;
      for (std::size_t i = begin; i < end; ++i) {
        Sample sample = sample_of(manifest_, i);
        if (sample.source.empty()) sample.source = std::move(sample.image);
        sample.face.clear();
        for (; at < members.size() && members[at].name.starts_with(key(i)); ++at) {
          const std::string& member = members[at].name;
          if (member == key(i) + ".json" || member == key(i) + ".cls") continue;
          (member.starts_with(key(i) + ".face.") ? sample.face : sample.image) = name + "#" + member;
        }
        writer.write(sample);
        images.push_back(sample.image);
      }
    }
    return images;
  }

 private:
  static std::string key(std::size_t i) { return fmt::format("{:0{}}", i, kDigits); }
  std::string shard_name(std::uint64_t k) const { return fmt::format("{}-{:06}.tar", manifest_.split(), k); }

  /// Shard `k`; true if it was there already.
  bool pack(std::uint64_t k) const {
    const std::string name = shard_name(k);
    const std::size_t begin = k * config_.samples, end = std::min<std::size_t>(begin + config_.samples, manifest_.size());
    if (is_packed(name, begin, end)) return true;
    TarWriter writer(config_.out / name);
    for (std::size_t i = begin; i < end; ++i) {
      if (stop_requested()) throw Interrupted("pack: interrupted; the same command goes on with the next shard");
      add(writer, i);
    }
    writer.close();
    write_shard_index(config_.out / name, writer.members());
    return false;
  }

  /// Takes away what an earlier run with fewer samples in a shard left behind the last one: imported, the folder would have them
  /// as well.
  void remove_others() const {
    std::error_code ignored;
    for (std::uint64_t k = shards(); fs::exists(config_.out / shard_name(k)); ++k) {
      const fs::path shard = config_.out / shard_name(k);
      if (!is_own(shard)) continue;
      log_info("{}: of an earlier run with other --samples; removed", shard.string());
      if (!fs::remove(shard, ignored)) throw RunError(shard.string() + ": cannot be removed");
      fs::remove(shard.string() + ".index", ignored);
    }
  }

  /// True for a shard as add() fills it: keys of digits alone, and lines of sample_json().
  static bool is_own(const fs::path& shard) {
    try {
      const auto members = read_tar_index(shard);
      const bool keys = std::all_of(members.begin(), members.end(), [](const TarMember& member) {
        return member.name.find_first_not_of("0123456789") == kDigits && member.name[kDigits] == '.';
      });
      if (members.empty() || !keys) return false;
      const std::string line = shard.string() + "#" + members[0].name.substr(0, kDigits) + ".json";
      return read_file_or_member(line).starts_with(R"({"image":)");
    } catch (const DataError&) {
      return false;
    }
  }

  std::string read(const fs::path& file, std::size_t i) const {
    try {
      return read_file_or_member(file);
    } catch (const DataError& error) {
      throw DataError(manifest_.place(i) + ": " + error.what());
    }
  }

  void add(TarWriter& writer, std::size_t i) const {
    const std::string place = fmt::format("{}: {}", manifest_.place(i), manifest_.image_path(i).string());
    const std::string picture = read(manifest_.image_path(i), i);
    writer.add(key(i) + "." + picture_field(picture, place), picture);
    writer.add(key(i) + ".json", sample_json(sample_of(manifest_, i)).dump(-1, ' ', false, kReplace));
    if (manifest_[i].labels.size() == 1) writer.add(key(i) + ".cls", std::to_string(manifest_[i].labels[0]));
    if (!manifest_[i].face.empty()) {
      const std::string face = read(stimulus_path(manifest_.dataset(), manifest_[i].face), i);
      writer.add(key(i) + ".face." + picture_field(face, place + ": face"), face);
    }
  }

  /// True if the file is the member as it was packed: of its size, and no newer than the shard.
  static bool is_same(const TarMember& member, const fs::path& file, std::uint64_t shard_time) {
    const FileState state = file_or_member_state(file);
    return member.size == state.bytes && state.time <= shard_time;
  }

  /// True if a shard of an earlier run holds these samples' pictures and faces, by number, size and time, and lines.
  bool is_packed(const std::string& name, std::size_t begin, std::size_t end) const {
    const fs::path file = config_.out / name;
    if (!fs::exists(file)) return false;
    try {
      const auto members = read_tar_index(file);
      const std::uint64_t time = file_or_member_state(file).time;
      std::size_t at = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const std::string line = sample_json(sample_of(manifest_, i)).dump(-1, ' ', false, kReplace);
        const bool has_face = !manifest_[i].face.empty();
        const std::size_t expected = 2 + (manifest_[i].labels.size() == 1 ? 1 : 0) + (has_face ? 1 : 0);
        if (members.size() - at < expected || !is_same(members[at], manifest_.image_path(i), time)) return false;
        const fs::path face = has_face ? stimulus_path(manifest_.dataset(), manifest_[i].face) : fs::path();
        if (has_face && !is_same(members[at + expected - 1], face, time)) return false;
        for (std::size_t k = 0; k < expected; ++k) {
          if (!members[at + k].name.starts_with(key(i) + ".")) return false;
        }
        if (read_file_or_member(file.string() + "#" + key(i) + ".json") != line) return false;
        at += expected;
      }
      return at == members.size();
    } catch (const DataError&) {
      return false;
    }
  }

  static constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  const Manifest& manifest_;
  const PackConfig& config_;
};

void copy_regions(const Manifest& manifest, const fs::path& out) {
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (manifest[i].regions.empty()) continue;
    const fs::path from = stimulus_path(manifest.dataset(), manifest[i].regions), to = path_below(out, manifest[i].regions);
    const std::string content = read_file(from);
    // Found again they may have the size of those that an earlier run copied.
    if (fs::exists(to) && file_or_member_state(to).bytes == content.size() && read_file(to) == content) continue;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    write_file_atomically(to, content, FileSync::kLater);
  }
  sync_disk(out);
}

/// Shards that the set is read from may be called as those that are written, or as the rest of an earlier run.
void refuse_own_shards(const Dataset& source, const std::vector<Manifest>& manifests, const fs::path& out) {
  std::set<std::string> archives;
  const auto add = [&](const fs::path& file) {
    fs::path archive;
    std::string member;
    if (split_member_path(file, archive, member)) archives.insert(archive.string());
  };
  for (const Manifest& manifest : manifests) {
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      add(manifest.image_path(i));
      if (manifest[i].face.find('#') != std::string_view::npos) add(stimulus_path(source, manifest[i].face));
    }
  }
  std::error_code none;  // where one is not there
  bool within = fs::equivalent(source.images(), out, none);
  for (const std::string& archive : archives) within |= fs::equivalent(fs::weakly_canonical(archive).parent_path(), out, none);
  if (within)
    throw ConfigError(fmt::format("{}: pictures of {} lie in it; give another --out", out.string(), source.root.string()));
}

}  // namespace

void pack_dataset(const Dataset& source, const PackConfig& config) {
  if (config.samples < 1 || config.samples > kMostSamples)
    throw ConfigError(fmt::format("--samples is {}; 1 to {} in a shard are possible", config.samples, kMostSamples));
  std::vector<Manifest> manifests;
  for (const auto& [split, file] : source.splits) manifests.push_back(Manifest::open(source, split));
  refuse_own_shards(source, manifests, config.out);
  make_dataset_folder(config.out);
  Dataset dataset = source;
  dataset.root = config.out;
  dataset.splits.clear();
  dataset.image_root = ".";
  dataset.stimuli_roots.clear();
  SplitFiles files(dataset, source.splits, /*annotations=*/true);
  std::string summary;
  for (const Manifest& manifest : manifests) {
    const Packer packer(manifest, config);
    const std::uint64_t kept = packer.pack_all();
    copy_regions(manifest, config.out);
    summary += fmt::format("{}{} {} samples in {} shards{}", summary.empty() ? "" : ", ", manifest.split(), manifest.size(),
                           packer.shards(), kept > 0 ? fmt::format(" ({} were there)", kept) : "");
  }
  // A run that is stopped before leaves shards alone, and the next goes on with them.
  for (const Manifest& manifest : manifests) {
    const std::string& split = manifest.split();
    ManifestWriter writer(config.out / (split + ".jsonl"));
    const std::vector<std::string> images = Packer(manifest, config).write_lines(writer);
    writer.close();
    CopiedLines all{&manifest, std::vector<std::size_t>(manifest.size())};
    std::iota(all.samples.begin(), all.samples.end(), std::size_t{0});
    copy_annotations(dataset, split, {all}, [&](const Manifest&, std::size_t i) { return images[i]; });
    dataset.splits.emplace_back(split, split + ".jsonl");
  }
  dataset.save();
  files.keep();
  log_info("{}: {}", config.out.string(), summary);
}

}  // namespace emotion
