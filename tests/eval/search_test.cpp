#include "emotion/eval/search_index.h"

#include <span>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"

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

SearchIndex index_of(const at::Tensor& x, SearchIndexInfo info) {
  info.dimension = x.size(1);
  SearchIndex index(info);
  index.add(x, names(x.size(0)));
  return index;
}

TEST(SearchTest, ExactIsBruteForce) {
  const at::Tensor x = clustered(500, 16), queries = clustered(503, 16).narrow(0, 500, 3) + 0.1;
  const SearchIndex index = index_of(x, {.kind = "exact"});
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
  EXPECT_DOUBLE_EQ(index.recall(10, 100), 1.0);
}

TEST(SearchTest, AGraphFindsNearlyAll) {
  const at::Tensor x = clustered(3000, 32);
  const SearchIndex index = index_of(x, {.kind = "hnsw"});
  EXPECT_GE(index.recall(10, 100), 0.95);
  // LibTorch brings an OpenMP of its own: both still work, in turn.
  const at::Tensor product = x.matmul(x.t());
  EXPECT_TRUE(at::allclose(product, product.t(), 1e-4, 1e-4));
  EXPECT_EQ(index.search(x.narrow(0, 5, 1), 1)[0][0].row, 5);
}

// Whatever part of a vector register the numbers fill.
TEST(SearchTest, AGraphsCosinesAreRightInEveryDimension) {
  for (const std::int64_t d : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 47, 63, 64, 65, 100, 127, 128, 129, 300}) {
    const at::Tensor x = clustered(60, d), wide = x.to(at::kDouble), unit = wide / wide.norm(2, 1, true),
                     cosine = unit.matmul(unit.t());
    const auto hits = index_of(x, {.kind = "hnsw"}).search(x, 3);
    for (std::int64_t i = 0; i < 60; ++i) {
      for (const SearchHit& hit : hits[static_cast<std::size_t>(i)])
        EXPECT_NEAR(hit.score, cosine[i][hit.row].item<double>(), 2e-6) << d << " numbers";
    }
  }
}

TEST(SearchTest, RowsAddedInPartsAreFoundAsWell) {
  const at::Tensor x = clustered(2000, 16);
  SearchIndex index({.kind = "hnsw", .dimension = 16});
  const auto all = names(2000);
  for (std::int64_t begin = 0; begin < 2000; begin += 500)
    index.add(x.narrow(0, begin, 500), {all.begin() + begin, all.begin() + begin + 500});
  EXPECT_EQ(index.size(), 2000U);
  EXPECT_EQ(index.images()[1999], "img/1999.jpg");
  EXPECT_GE(index.recall(10, 100), 0.95);
}

/// The file with other bytes some way before its end, and the digest of those: all but the payload's size and the digest itself.
std::string altered(std::string bytes, std::size_t before_end, const std::string& with) {
  const std::size_t end = bytes.size() - 40;  // the payload's size, its digest
  bytes.replace(end - before_end, with.size(), with);
  ContentHash hash;
  hash.add(std::as_bytes(std::span(bytes.data(), end)));
  return bytes.replace(end + 8, 32, hash.hex());
}

TEST(SearchTest, LinksThatLeaveTheGraphAreNotFollowed) {
  const ScratchFolder folder;
  const auto file = folder.path() / "x.search";
  index_of(clustered(200, 8), {.kind = "hnsw"}).save(file);
  const std::string bytes = read_file(file);
  write_text(file, altered(bytes, 20, std::string(4, '\0')));
  EXPECT_NO_THROW(SearchIndex::open(file)) << "another number in a vector harms nothing";
  // 200 vectors of 32 bytes come last, before them little more than the links.
  write_text(file, altered(bytes, 200 * 32 + 2000, std::string(8, '\x7f')));
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }),
            file.string() + ": its header does not fit its vectors; make it again with emotion_search index");
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// A size in FAISS's bytes is no reason to make room: that there is as much behind it is.
TEST(SearchTest, SizesBeyondTheFileTakeNoMemory) {
  const ScratchFolder folder;
  const auto file = folder.path() / "x.search";
  const std::string error = "3: " + file.string() + ": FAISS cannot read it; make it again with emotion_search index";
  const auto opened = [&](const std::string& bytes) {
    write_text(file, bytes);
    return error_within(2000, [&] {
      const long before = peak_kilobytes();
      try {
        SearchIndex::open(file);
      } catch (const DataError&) {
        if (peak_kilobytes() - before > 100'000) throw RunError("memory was taken");
        throw;
      }
    });
  };
  const std::string many{"\0\0\0\4\0\0\0\0", 8};  // 2^26 numbers, 256 MB and more
  constexpr std::size_t kVectors = 3 * 4 * sizeof(float), kFlat = 4 + 33 + 8 + kVectors;
  for (const char* kind : {"exact", "hnsw"}) {
    index_of(clustered(3, 4), {.kind = kind}).save(file);
    const std::string bytes = read_file(file);
    EXPECT_EQ(opened(bytes), "no error");
    EXPECT_EQ(opened(altered(bytes, kVectors + 8, many)), error) << "of the vectors";
    EXPECT_EQ(opened(altered(bytes, kFlat, "IxPq")), error) << "a kind that is never written";
    EXPECT_EQ(opened(altered(bytes, kVectors + 12, std::string(4, '\7'))), error) << "a metric that is never written";
  }
  const std::string bytes = read_file(file);
  const std::size_t begin = bytes.find("IHNf");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(opened(altered(bytes, bytes.size() - 40 - begin - 37, many)), error) << "of the levels' probabilities";
}

TEST(SearchTest, AFileGivesTheSameAnswersAndDamageIsSeen) {
  const ScratchFolder folder;
  const auto file = folder.path() / "x.search";
  const at::Tensor x = clustered(200, 8);
  for (const char* kind : {"exact", "hnsw"}) {
    const SearchIndex index = index_of(
        x, {.kind = kind, .space = "joint", .checkpoint = "net", .weights_hash = "ab", .settings = {"data.resize=32", "x=y"}});
    index.save(file);
    const SearchIndex read = SearchIndex::open(file);
    EXPECT_EQ(read.images(), index.images());
    EXPECT_EQ(read.info().space, "joint");
    EXPECT_EQ(read.info().weights_hash, "ab");
    EXPECT_EQ(read.info().settings, (std::vector<std::string>{"data.resize=32", "x=y"}));
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
  std::string renamed = bytes;  // still a name, of another picture
  renamed.replace(renamed.find("img/17.jpg"), 10, "img/18.jpg");
  write_text(file, renamed);
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": truncated or damaged" + advice);
  write_text(file, "EMOSRCH1" + bytes.substr(8));
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": made by another version" + advice);
  write_text(file, "no index");
  EXPECT_EQ(error_of<DataError>([&] { SearchIndex::open(file); }), file.string() + ": not an index of pictures" + advice);
}

// Of copies of one picture any are the nearest: which of them a search gives is no fault.
TEST(SearchTest, CopiesAreFoundWhicheverTheyAre) {
  const at::Tensor copies = at::cat({clustered(1, 16).expand({13, 16}), clustered(20, 16)});
  EXPECT_DOUBLE_EQ(index_of(copies, {.kind = "exact"}).recall(10, 200), 1.0);
  EXPECT_DOUBLE_EQ(index_of(copies, {.kind = "hnsw"}).recall(10, 200), 1.0);
}

TEST(SearchTest, BadInput) {
  at::Tensor x = clustered(20, 8);
  const SearchIndex index = index_of(x, {.kind = "exact"});
  EXPECT_EQ(error_of<DataError>([&] {
              index.search(at::ones({1, 300}), 5);
            }),
            "search: the query has 300 numbers, the index holds vectors of 8 (space features)");
  EXPECT_EQ(error_of<ConfigError>([&] { index.search(x, 21); }), "search: k is 21, the index holds 20 pictures");
  x[3][2] = NAN;
  EXPECT_EQ(error_of<DataError>([&] { index_of(x, {}); }),
            "img/3.jpg: its features hold NaN or infinite values; the network they come from is broken");
  EXPECT_EQ(error_of<DataError>([&] { index.search(x.narrow(0, 3, 1), 5); }), "search: the query holds NaN or infinite values");
  EXPECT_EQ(error_of<ConfigError>([&] { SearchIndex({.kind = "tree", .dimension = 8}); }),
            "search: kind is 'tree'; exact or hnsw");
}

// A name may hold any byte that a file system takes. The version before kept a name a line.
TEST(SearchTest, NamesHoldWhatNamesOfFilesMayHold) {
  const ScratchFolder folder;
  const auto file = folder.path() / "x.search";
  SearchIndex index({.kind = "exact", .dimension = 4});
  const std::vector<std::string> odd{"two\nlines.jpg", "\n", " tab\t.jpg "};
  index.add(clustered(3, 4), odd);
  index.save(file);
  EXPECT_EQ(SearchIndex::open(file).images(), odd);

  index_of(clustered(3, 4), {.kind = "exact"}).save(file);
  std::string bytes = read_file(file);
  bytes.replace(0, 8, "EMOSRCH2");
  for (const auto& name : names(3)) bytes[bytes.find(name) + name.size()] = '\n';
  write_text(file, altered(bytes, 0, ""));
  EXPECT_EQ(SearchIndex::open(file).images(), names(3));
}

}  // namespace
}  // namespace emotion
