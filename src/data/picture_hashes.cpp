#include <charconv>
#include <fstream>
#include <mutex>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/perceptual_hash.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"
#include "emotion/threads.h"

namespace emotion {
namespace {

constexpr std::string_view kTitle = "# emotion picture hashes 1: size, time, plain, mirrored, width, height, image";

struct Known {
  FileState state;
  PictureHash hash;
  int width = 0, height = 0;
};

/// Takes the number in front of the next tab off `line`.
template <class Number>
bool take_number(std::string_view& line, Number& number, int base) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return false;
  const auto [end, error] = std::from_chars(line.data(), line.data() + tab, number, base);
  if (error != std::errc() || end != line.data() + tab) return false;
  line.remove_prefix(tab + 1);
  return true;
}

/// DATASET/hashes.tsv: hashes of earlier runs, and an open end for those of this one.
class HashFile {
 public:
  explicit HashFile(const std::filesystem::path& file) {
    std::error_code none;
    if (std::filesystem::file_size(file, none) > 0 && !none) read(file);
    out_.open(file, std::ios::binary | (usable_ ? std::ios::app : std::ios::trunc));
    if (!out_) log_debug("{}: cannot be written, hashes are not kept", file.string());
    if (!usable_) out_ << kTitle << '\n';
  }

  const Known* find(const std::string& image, const FileState& state) const {
    const auto found = known_.find(image);
    if (found == known_.end() || state.bytes == 0) return nullptr;
    const bool same = found->second.state.bytes == state.bytes && found->second.state.time == state.time;
    return same ? &found->second : nullptr;
  }

  void add(const HashedPicture& picture, const FileState& state) {
    if (picture.image.find('\n') != std::string::npos) return;
    const std::lock_guard lock(mutex_);
    out_ << fmt::format("{}\t{}\t{:016x}\t{:016x}\t{}\t{}\t{}\n", state.bytes, state.time, picture.hash.plain,
                        picture.hash.mirrored, picture.width, picture.height, picture.image);
    if (++added_ % 64 == 0) out_.flush();
  }

 private:
  /// Lines that are not whole (a run was killed while it wrote) are ignored.
  void read(const std::filesystem::path& file) {
    const std::string text = read_file(file);
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;
      std::string_view line(text.data() + begin, end - begin);
      if (begin == 0) usable_ = line == kTitle;
      if (!usable_) return;
      begin = end + 1;
      Known known;
      if (take_number(line, known.state.bytes, 10) && take_number(line, known.state.time, 10) &&
          take_number(line, known.hash.plain, 16) && take_number(line, known.hash.mirrored, 16) &&
          take_number(line, known.width, 10) && take_number(line, known.height, 10) && !line.empty()) {
        known_.insert_or_assign(std::string(line), known);
      }
    }
    std::error_code ignored;  // of a set that can only be read: nothing is appended then
    if (begin < text.size()) std::filesystem::resize_file(file, begin, ignored);
  }

  bool usable_ = false;
  std::unordered_map<std::string, Known> known_;
  std::ofstream out_;
  std::size_t added_ = 0;
  std::mutex mutex_;
};

std::vector<HashedPicture> list_pictures(const Dataset& dataset) {
  std::vector<HashedPicture> pictures;
  std::unordered_map<std::string, std::size_t> place;
  for (std::size_t split = 0; split < dataset.splits.size(); ++split) {
    const Manifest manifest = Manifest::open(dataset, dataset.splits[split].first);
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const auto [found, fresh] = place.emplace(manifest[i].picture(), pictures.size());
      if (fresh) {
        pictures.emplace_back().image = manifest[i].image;
        pictures.back().picture = found->first;
      }
      auto& splits = pictures[found->second].splits;
      if (splits.empty() || splits.back() != split) splits.push_back(split);
    }
  }
  return pictures;
}

void hash_picture(HashedPicture& picture, const std::filesystem::path& root, HashFile& file) {
  try {
    const std::filesystem::path path = path_below(root, picture.image);
    const FileState state = file_or_member_state(path);
    picture.bytes = state.bytes;
    if (const Known* known = file.find(picture.image, state)) {
      picture.hash = known->hash;
      picture.width = known->width;
      picture.height = known->height;
      return;
    }
    const Image image = decode_image(path);
    picture.width = image.width;
    picture.height = image.height;
    picture.hash = perceptual_hash(image);
    file.add(picture, state);
  } catch (const DataError& error) {
    picture.error = error.what();
  }
}

}  // namespace

std::vector<HashedPicture> hash_pictures(const Dataset& dataset, int workers) {
  std::vector<HashedPicture> pictures = list_pictures(dataset);
  HashFile file(dataset.root / "hashes.tsv");
  const bool whole = for_each_in_threads("hashes", pictures.size(), workers,
                                         [&](std::size_t i) { hash_picture(pictures[i], dataset.images(), file); });
  if (!whole) throw Interrupted("hashes: interrupted; what was hashed is kept");
  return pictures;
}

}  // namespace emotion
