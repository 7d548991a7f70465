#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "emotion/data/import_published.h"
#include "emotion/data/manifest.h"
#include "emotion/data/split_ratio.h"
#include "emotion/log.h"
#include "published_counts.h"

namespace emotion {

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
  explicit ImportDraft(PublishedImport request);
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
  /// Logs what form was found, or what was decided.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) const {
    log_info("{}: {}", request_.format, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    log_warning("{}: {}", request_.format, fmt::format(format, std::forward<Args>(args)...));
  }
  /// `ratio` is drawn where neither the data set nor the request gives a split. @throws ConfigError if OUT has a file of a
  /// split's name; DataError, RunError, Interrupted
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

  PublishedImport request_;
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

}  // namespace emotion
