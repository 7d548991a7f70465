#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// What an index was made of.
struct SearchIndexInfo {
  std::string kind = "hnsw";       ///< exact: every vector is compared; hnsw: a graph of neighbours (Malkov and Yashunin, 2018)
  std::string space = "features";  ///< features: of the backbone; joint: projected among the word vectors
  std::string checkpoint, weights_hash;
  std::filesystem::path image_root;
  std::int64_t dimension = 0;
  std::vector<std::string> settings{};  ///< of the checkpoint's config: what pictures are put through, for queries too
};

struct SearchHit {
  std::int64_t row;
  float score;  ///< cosine
};

/// Nearest vectors by cosine, through FAISS.
///
/// A vector takes D floats, and in a graph 64 links of 4 bytes beside: a million of 300 numbers are 1.5 GB. What it costs to find
/// them: docs/performance.md.
class SearchIndex {
 public:
  /// Empty; info.dimension says how long vectors are. @throws ConfigError for an unknown kind or no dimension
  explicit SearchIndex(SearchIndexInfo info);
  /// @throws DataError naming the file: of another kind, truncated or damaged (sizes, and a digest of all of it, are checked
  /// before FAISS reads)
  static SearchIndex open(const std::filesystem::path& file);

  /// float [n, D], `images[i]` names row i, any bytes but NUL. A call costs a graph time for what it holds already: thousands of
  /// rows are added at a time. Within one, several threads may link rows in any order: graphs of the same vectors differ a
  /// little.
  /// @throws DataError for sizes that differ, or naming the picture whose vector holds NaN; Interrupted
  void add(const at::Tensor& vectors, std::vector<std::string> images);
  /// Whole or not at all. @throws RunError
  void save(const std::filesystem::path& file) const;

  /// The k nearest of each query [m, D], best first.
  /// @throws DataError for queries of another dimension or with NaN; ConfigError for k above the number of vectors
  std::vector<std::vector<SearchHit>> search(const at::Tensor& queries, int k) const;
  /// hnsw: candidates kept while searching; more find more and take longer.
  void set_breadth(int breadth);
  /// Part of the k nearest rows that `search` finds, over at most `queries` rows, drawn by a fixed seed. A row counts whose score
  /// is at least the k-th best of comparing all: of pictures that are the same any will do.
  double recall(int k, int queries) const;

  std::size_t size() const { return images_.size(); }
  const std::vector<std::string>& images() const { return images_; }
  const SearchIndexInfo& info() const { return info_; }

 private:
  struct Faiss;
  SearchIndex() = default;
  std::shared_ptr<Faiss> faiss_;
  std::vector<std::string> images_;
  SearchIndexInfo info_;
};

}  // namespace emotion
