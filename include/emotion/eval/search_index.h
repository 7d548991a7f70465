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
};

struct SearchHit {
  std::int64_t row;
  float score;  ///< cosine
};

/// Nearest vectors by cosine, through FAISS.
class SearchIndex {
 public:
  /// vectors: float [n, D]; `images[i]` names row i. @throws DataError for NaN, sizes that differ; ConfigError for an unknown
  /// kind
  static SearchIndex build(const at::Tensor& vectors, std::vector<std::string> images, SearchIndexInfo info);
  /// @throws DataError naming the file: of another kind, truncated or damaged (sizes and a digest are checked before FAISS reads)
  static SearchIndex open(const std::filesystem::path& file);
  /// Whole or not at all. @throws RunError
  void save(const std::filesystem::path& file) const;

  /// The k nearest of each query [m, D], best first.
  /// @throws DataError for queries of another dimension or with NaN; ConfigError for k above the number of vectors
  std::vector<std::vector<SearchHit>> search(const at::Tensor& queries, int k) const;
  /// hnsw: candidates kept while searching; more find more and take longer.
  void set_breadth(int breadth);

  std::size_t size() const { return images_.size(); }
  const std::vector<std::string>& images() const { return images_; }
  const SearchIndexInfo& info() const { return info_; }

 private:
  struct Faiss;
  std::shared_ptr<Faiss> faiss_;
  std::vector<std::string> images_;
  SearchIndexInfo info_;
};

/// Part of the k nearest rows of `vectors` (by comparing all) that the index finds, over at most `queries` rows of it, drawn by a
/// fixed seed.
double search_recall(const SearchIndex& index, const at::Tensor& vectors, int k, int queries);

}  // namespace emotion
