#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "emotion/data/import.h"
#include "emotion/data/importers.h"
#include "emotion/data/manifest.h"
#include "emotion/log.h"

namespace emotion {

/// How many pictures a data set is published with; what is not known is left out.
struct PublishedCounts {
  std::vector<std::pair<std::string, std::uint64_t>> classes, splits;
  std::uint64_t total = 0;
  std::string class_split{};  ///< the split that `classes` speaks of; empty = all of them
};

/// How many were found.
struct FoundCounts {
  std::uint64_t samples = 0;
  std::map<std::string, std::uint64_t> classes;  ///< of the published counts' class_split
  std::map<std::string, std::uint64_t> splits;   ///< "" = still to be drawn
};

/// Tells in the log whether the counts are the published ones, and which are not.
void compare_counts(const std::string& format, const FoundCounts& found, const PublishedCounts& published);

/// A table of two columns; what would break a line becomes a blank. @throws RunError
void write_pairs(const std::filesystem::path& file, const std::vector<std::pair<std::string, std::string>>& pairs);

/// Strings by number.
class Names {
 public:
  std::uint32_t id(const std::string& name);
  const std::string& operator[](std::uint32_t id) const { return names_[id]; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> ids_;
};

/// A data set while it is imported: an importer fills it, finish() checks the pictures and counts, draws splits, and writes it.
/// Words are kept once, so that a million samples with 50 keywords each fit into memory.
class ImportDraft {
 public:
  /// @throws ConfigError if OUT has a data set or the request's split and folds cannot be used
  explicit ImportDraft(ImportRequest request);
  ~ImportDraft();
  ImportDraft(const ImportDraft&) = delete;
  ImportDraft& operator=(const ImportDraft&) = delete;

  std::vector<std::string> classes;             ///< in id order; set before add()
  std::vector<std::string> positive, negative;  ///< classes by polarity, where it is defined
  std::filesystem::path image_root;             ///< folder that images are relative to; OUT itself at first

  const std::filesystem::path& out() const { return request_.out; }
  std::size_t size() const { return rows_.size(); }
  /// A row; `split` empty: drawn by finish(). A second row of the same image and box is left out.
  /// @throws DataError for an image path that leaves the image root, naming the `place` that it was read at
  void add(const Sample& sample, const std::string& split = {}, std::string url = {}, const std::string& place = {});
  /// Makes OUT/NAME for pictures that the importer writes; unless finish() comes to its end, it is taken away again with all that
  /// is in it. @throws ConfigError if there is something of that name already, RunError
  std::filesystem::path make_folder(const std::string& name);
  /// Lists something in missing.txt.
  void leave_out(std::string path, std::string reason) { missing_.emplace_back(std::move(path), std::move(reason)); }
  /// Tells in the log what form was found, or what was decided.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) const {
    log_info("{}: {}", request_.format, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    log_warning("{}: {}", request_.format, fmt::format(format, std::forward<Args>(args)...));
  }
  /// `ratio` is drawn where neither the data set nor the request gives a split. @throws DataError, RunError, Interrupted
  void finish(const std::string& ratio, const PublishedCounts& published);

 private:
  struct Row {
    std::string image, url, split, face;
    std::vector<std::uint32_t> ids;  // labels, keywords, votes
    std::uint32_t labels = 0, keywords = 0, votes = 0;
    std::optional<std::array<float, 4>> box;
  };
  using Splits = std::vector<std::pair<std::string, std::vector<std::size_t>>>;

  void drop_classes();
  void drop_missing();
  void refuse_lost_splits(const std::vector<std::string>& problems) const;
  void compare(const PublishedCounts& published) const;
  bool has_given_split() const;
  Splits given_splits() const;
  Splits make_splits(const std::string& ratio) const;
  Splits make_folds() const;
  void warn_of_classes(const Splits& splits, bool drawn) const;
  void write(const Splits& splits) const;
  Sample sample(const Row& row) const;

  ImportRequest request_;
  std::vector<Row> rows_;
  Names names_;
  std::unordered_set<std::string> seen_;
  std::vector<std::pair<std::string, std::string>> missing_;
  std::uint64_t repeated_ = 0;
  std::filesystem::path made_;  // empty once the data set is whole
};

/// The places 0 .. count - 1 by a seeded permutation cut at the ratio's places; within a split they ascend.
std::vector<std::vector<std::size_t>> draw_split(std::size_t count, const SplitRatio& ratio, std::uint64_t seed);
/// The same with each class divided by the ratio (stratify_groups).
std::vector<std::vector<std::size_t>> draw_stratified(std::span<const std::uint32_t> class_of_sample, const SplitRatio& ratio,
                                                      std::uint64_t seed);

/// A sample with one label.
Sample labelled(std::string image, std::string label);

/// Every file below image_root/FOLDER/CLASS, labelled with the class; files that neither are pictures nor are called so are
/// skipped. False if no folder is called as a class. @throws DataError for a folder that holds pictures and is called like no
/// class
bool add_class_folders(ImportDraft& draft, const std::filesystem::path& folder, const std::string& split = {});
/// True if `folder` has at least two subfolders called as classes.
bool has_class_folders(const std::filesystem::path& folder, const std::vector<std::string>& classes);

}  // namespace emotion
