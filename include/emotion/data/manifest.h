#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emotion {

/// dataset.yaml: what every split of a data set shares.
struct Dataset {
  std::filesystem::path root;  ///< the folder that holds dataset.yaml
  std::string name;
  std::vector<std::string> classes;                         ///< class names; the class id is the position
  std::vector<std::string> positive, negative;              ///< polarity of classes; both empty where there is none
  std::vector<std::pair<std::string, std::string>> splits;  ///< split name -> JSONL file, relative to root
  std::filesystem::path image_root = ".";                   ///< relative to root
  std::vector<std::filesystem::path> stimuli_roots;  ///< relative to root: sets whose faces and regions this one takes over
  bool unlisted = false;  ///< made of a folder's pictures: no file of the user's lists them. Not in dataset.yaml

  /// Reads and checks DIR/dataset.yaml.
  /// @throws DataError with file:line:column: missing file, duplicate class, unknown polarity class, unknown key
  static Dataset open(const std::filesystem::path& root);
  /// Writes dataset.yaml whole or not at all. @throws RunError
  void save() const;
  /// The JSONL file of a split. @throws DataError naming the splits there are
  std::filesystem::path split_file(std::string_view split) const;
  /// The class id of a name. @throws DataError with the nearest class name
  std::uint32_t class_id(std::string_view class_name) const;
  /// Folder that sample paths are relative to.
  std::filesystem::path images() const { return (root / image_root).lexically_normal(); }
};

/// One line of a split, as views into the manifest's index: valid as long as the Manifest lives.
struct SampleView {
  std::string_view image;                   ///< relative to Dataset::images(), or `shard.tar#member`
  std::span<const std::uint32_t> labels;    ///< class ids, in the line's order
  std::span<const std::uint32_t> keywords;  ///< ids into Manifest::words(), in the line's order
  std::span<const std::uint32_t> votes;     ///< class ids, one a vote
  std::optional<std::array<float, 4>> box;  ///< x, y, width, height in pixels of the upright picture
  std::string_view face, regions;           ///< relative paths; empty where there is none
  std::string_view source;                  ///< of a packed set: the picture's name before, which several members may share

  /// What tells pictures apart: samples with the same are of one picture, whose members in shards are copies.
  std::string_view picture() const { return source.empty() ? image : source; }
};

/// One sample with values of its own: what importers write.
struct Sample {
  std::string image;
  std::vector<std::string> labels, keywords, votes;
  std::optional<std::array<float, 4>> box;
  std::string face, regions;
  std::string source{};  ///< of a packed set: the picture's name before
};

/// One split, read through a memory-mapped binary index that is kept beside the JSONL (`train.jsonl.index`).
///
/// The index is rebuilt when the JSONL's size, time or the data set's classes change, and written atomically; where the
/// folder cannot be written it is kept in memory. Opening an up-to-date index looks at its numbers once, some 30 ms a million
/// samples: one that names what is not there is rebuilt too.
class Manifest {
 public:
  /// @throws DataError `file:line: ...` for a broken line, an unknown class or label id out of range, a path that leaves
  ///         the image root, a duplicate image with the same box; or if the split has no sample
  static Manifest open(const Dataset& dataset, std::string_view split);
  Manifest(Manifest&&) noexcept;
  Manifest& operator=(Manifest&&) noexcept;
  ~Manifest();

  std::size_t size() const;
  SampleView operator[](std::size_t i) const;
  /// Line number of sample i in the JSONL, from 1.
  std::uint64_t line(std::size_t i) const;
  /// `train.jsonl:8841`, for error messages; the image's path where no file of the user's lists it (Dataset::unlisted).
  std::string place(std::size_t i) const;
  /// Absolute or working-directory path of sample i's image; checked to stay below the image root.
  std::filesystem::path image_path(std::size_t i) const;
  /// Number of distinct keywords in the split.
  std::size_t word_count() const;
  std::string_view word(std::uint32_t id) const;
  const Dataset& dataset() const;
  const std::filesystem::path& file() const;
  const std::string& split() const;

 private:
  struct Data;
  explicit Manifest(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

/// Appends samples to a split file; nothing is visible under the final name until close().
class ManifestWriter {
 public:
  explicit ManifestWriter(const std::filesystem::path& file);
  ~ManifestWriter();  ///< without close(): the temporary file is removed
  ManifestWriter(const ManifestWriter&) = delete;
  ManifestWriter& operator=(const ManifestWriter&) = delete;
  void write(const Sample& sample);
  /// AtomicFile::commit(). @throws RunError
  void close();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
