#include "emotion/data/import_plain.h"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "importers/class_names.h"
#include "importers/draft.h"
#include "importers/files.h"
#include "importers/plain_dataset.h"
#include "importers/split_folders.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// What lies in class folders.
class FolderReader {
 public:
  explicit FolderReader(const fs::path& root) : root_(root) {}

  /// Images of ROOT/PREFIX/CLASS of any depth, labelled with the class. @throws DataError if there is none
  std::vector<Sample> read(const fs::path& prefix) {
    std::vector<Sample> samples;
    for (const std::string& cls : folders_of(root_ / prefix)) {
      if (stop_requested()) throw Interrupted("import: interrupted; nothing was written");
      const std::size_t before = samples.size();
      for (const std::string& file : files_of(root_, prefix / cls, true)) {
        if (has_picture_name(file)) {
          samples.push_back(labelled(file, cls));
        } else {
          others_.add(file);
        }
      }
      if (samples.size() == before) {
        empty_.push_back((prefix / cls).generic_string());
      } else {
        classes_.insert(cls);
      }
    }
    for (const std::string& file : files_of(root_, prefix)) loose_ += has_picture_name(file);
    if (samples.empty()) {
      warn();
      const fs::path folder = prefix.empty() ? root_ : root_ / prefix;
      throw DataError(fmt::format("{}: no class folders with images; {} is wanted", folder.string(),
                                  prefix.empty() ? "ROOT/CLASS/image.jpg" : "ROOT/SPLIT/CLASS/image.jpg"));
    }
    return samples;
  }

  std::vector<std::string> classes() const { return {classes_.begin(), classes_.end()}; }

  /// Warns of what read() ignored.
  void warn() const {
    others_.warn(root_.string());
    if (loose_ > 0) log_warning("{}: {} pictures lie in no class folder and are left out", root_.string(), loose_);
    if (!empty_.empty()) log_warning("{}: class folders without an image are passed over: {}", root_.string(), some_of(empty_));
  }

 private:
  const fs::path& root_;
  std::set<std::string> classes_;
  std::vector<std::string> empty_;
  OtherFiles others_;
  std::uint64_t loose_ = 0;
};

}  // namespace

void import_folder(const FolderImport& options) {
  if (!fs::is_directory(options.root)) throw DataError(options.root.string() + ": --root is not a folder");
  const std::vector<SplitFolder> folders = split_folders(options.root);
  FolderReader reader(options.root);
  SplitSamples splits;
  if (folders.empty()) {
    splits = draw_samples(reader.read(""), options.split, options.seed, options.stratify);
  } else if (!options.split.empty() || options.stratify) {
    throw ConfigError(fmt::format("{}: folder '{}' is split {} already; leave out --split and --stratify", options.root.string(),
                                  folders[0].folder, folders[0].split));
  }
  for (const auto& [split, folder] : folders) splits.emplace_back(split, reader.read(folder));
  reader.warn();
  PlainDataset{.out = options.out,
               .image_root = options.root,
               .name = (fs::absolute(options.root) / "").lexically_normal().parent_path().filename().string(),
               .classes = reader.classes(),
               .polarity = options.polarity,
               .splits = std::move(splits),
               .drawn = folders.empty() && !options.stratify}
      .write();
}

}  // namespace emotion
