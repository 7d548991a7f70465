#include "emotion/eval/search_index.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

/// Clustered rows, as features are.
at::Tensor clustered(std::int64_t n, std::int64_t d) {
  at::manual_seed(7);
  const at::Tensor centres = at::randn({40, d});
  return centres.index_select(0, at::randint(40, {n}, at::kLong)) + 0.5 * at::randn({n, d});
}

std::vector<std::string> names(std::int64_t n) {
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < n; ++i) result.push_back("img/" + std::to_string(i) + ".jpg");
  return result;
}

TEST(SearchTest, ExactIsBruteForce) {
  const at::Tensor x = clustered(500, 16), queries = clustered(503, 16).narrow(0, 500, 3) + 0.1;
  const SearchIndex index = SearchIndex::build(x, names(500), {.kind = "exact"});
  const auto unit = [](const at::Tensor& t) { return t / t.norm(2, 1, true); };
  const at::Tensor cosine = unit(queries).matmul(unit(x).t());
  const auto [scores, rows] = at::topk(cosine, 7);
  const auto hits = index.search(queries, 7);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 7; ++j) {
      const SearchHit& hit = hits[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
      EXPECT_EQ(hit.row, rows[i][j].item<std::int64_t>());
      EXPECT_NEAR(hit.score, scores[i][j].item<float>(), 1e-5);
    }
  }
  EXPECT_DOUBLE_EQ(search_recall(index, x, 10, 100), 1.0);
}

TEST(SearchTest, AGraphFindsNearlyAll) {
  const at::Tensor x = clustered(3000, 32);
  const SearchIndex index = SearchIndex::build(x, names(3000), {.kind = "hnsw"});
  EXPECT_GE(search_recall(index, x, 10, 100), 0.95);
  // LibTorch brings an OpenMP of its own: both still work, in turn.
  const at::Tensor product = x.matmul(x.t());
  EXPECT_TRUE(at::allclose(product, product.t(), 1e-4, 1e-4));
  EXPECT_EQ(index.search(x.narrow(0, 5, 1), 1)[0][0].row, 5);
}

TEST(SearchTest, AFileGivesTheSameAnswersAndDamageIsSeen) {
  const ScratchFolder folder;
  const auto file = folder.path() / "x.search";
  const at::Tensor x = clustered(200, 8);
  for (const char* kind : {"exact", "hnsw"}) {
    const SearchIndex index =
        SearchIndex::build(x, names(200), {.kind = kind, .space = "joint", .checkpoint = "net", .weights_hash = "ab"});
    index.save(file);
    const SearchIndex read = SearchIndex::open(file);
    EXPECT_EQ(read.images(), index.images());
    EXPECT_EQ(read.info().space, "joint");
    EXPECT_EQ(read.info().weights_hash, "ab");
    const auto a = index.search(x, 5), b = read.search(x, 5);
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < 5; ++j) EXPECT_EQ(a[i][j].row, b[i][j].row);
    }
  }
  const std::string bytes = read_file(file), advice = "; make it again with emotion_search index";
  write_text(file, bytes.substr(0, bytes.size() - 100));
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": truncated or damaged" + advice);
  std::string flipped = bytes;
  flipped[bytes.size() / 2] = static_cast<char>(flipped[bytes.size() / 2] ^ 1);
  write_text(file, flipped);
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": truncated or damaged" + advice);
  write_text(file, "no index");
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": not an index of pictures" + advice);
}

TEST(SearchTest, BadInput) {
  at::Tensor x = clustered(20, 8);
  const SearchIndex index = SearchIndex::build(x, names(20), {.kind = "exact"});
  EXPECT_EQ(error_of<DataError>([&] {
              index.search(at::ones({1, 300}), 5);
            }),
            "search: the query has 300 numbers, the index holds vectors of 8 (space features)");
  EXPECT_EQ(error_of<ConfigError>([&] { index.search(x, 21); }), "search: k is 21, the index holds 20 pictures");
  x[3][2] = NAN;
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::build(x, names(20), {}); }), "search: a vector holds NaN or infinite values");
}

}  // namespace
}  // namespace emotion
