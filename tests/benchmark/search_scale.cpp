// The index of emotion_search at scale: search_scale [N = 1000000] [D = 300] [breadth, default the command's] [noise = 0.1]
//
// Vectors lie as features of pictures do, in clusters of unequal size and along few directions: each is the centre of one of
// 2,000 clusters (sizes as 1 / rank), plus a sum of the cluster's own 24 directions, plus `noise` of the same length in all
// directions. Uniform noise alone has no neighbours worth the name in 300 dimensions, and no index finds them without comparing
// all.
//
// Builds, saves, opens again; prints seconds, milliseconds a query one at a time (p50, p99), recall@10 and the largest resident
// size.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/topk.h>
#include <fmt/format.h>

#include "emotion/commands/search.h"
#include "emotion/eval/search_index.h"
#include "emotion/io/file.h"
#include "emotion/progress.h"

namespace {

constexpr std::int64_t kClusters = 2000, kDirections = 24, kBlock = 16384, kNearest = 10;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double peak_gigabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1048576;
}

class Pictures {
 public:
  Pictures(std::int64_t dimension, double noise)
      : noise_(noise),
        centres_(at::randn({kClusters, dimension})),
        directions_(at::randn({kClusters, kDirections, dimension}) / std::sqrt(static_cast<double>(kDirections))),
        weights_(1.0 / at::arange(1, kClusters + 1, at::kFloat)) {}

  at::Tensor draw(std::int64_t n) const {
    const at::Tensor cluster = at::multinomial(weights_, n, /*replacement=*/true);
    at::Tensor x = centres_.index_select(0, cluster) + noise_ * at::randn({n, centres_.size(1)});
    for (std::int64_t begin = 0; begin < n; begin += 512) {  // the directions of all rows would take gigabytes
      const std::int64_t m = std::min<std::int64_t>(512, n - begin);
      const at::Tensor own = directions_.index_select(0, cluster.narrow(0, begin, m));
      x.narrow(0, begin, m).add_(at::bmm(at::randn({m, 1, kDirections}), own).squeeze(1));
    }
    return x;
  }

 private:
  double noise_;
  at::Tensor centres_, directions_, weights_;
};

at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, 1, true); }

/// The nearest rows of some queries by comparing all, kept up as rows are drawn.
class Truth {
 public:
  explicit Truth(const at::Tensor& queries) : queries_(unit(queries)) {}
  void add(const at::Tensor& rows, std::int64_t first) {
    const auto [value, place] = at::topk(queries_.matmul(unit(rows).t()), std::min(kNearest, rows.size(0)));
    best_ = best_.defined() ? at::cat({best_, value}, 1) : value;
    rows_ = rows_.defined() ? at::cat({rows_, place + first}, 1) : place + first;
    const auto [kept, order] = at::topk(best_, std::min(kNearest, best_.size(1)));
    best_ = kept;
    rows_ = rows_.gather(1, order);
  }
  /// Part of query i's nearest rows that are among the hits.
  double recall(std::int64_t i, const std::vector<emotion::SearchHit>& hits) const {
    double found = 0;
    for (const auto& hit : hits) found += (rows_[i] == hit.row).any().item<bool>();
    return found / static_cast<double>(rows_.size(1));
  }

 private:
  at::Tensor queries_, best_, rows_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t n = argc > 1 ? std::atoll(argv[1]) : 1000000, d = argc > 2 ? std::atoll(argv[2]) : 300;
  const int breadth = argc > 3 ? std::atoi(argv[3]) : emotion::SearchQueryCommand{}.breadth;
  at::manual_seed(1);
  const Pictures pictures(d, argc > 4 ? std::atof(argv[4]) : 0.1);
  const at::Tensor queries = pictures.draw(1000);  // none of them is in the index
  Truth truth(queries);
  const emotion::ScratchFolder scratch;
  const auto file = scratch.path() / "million.search";
  {
    emotion::SearchIndex index(
        {.kind = "hnsw", .space = "joint", .checkpoint = {}, .weights_hash = {}, .image_root = {}, .dimension = d});
    double added = 0;
    emotion::Progress progress("vectors", static_cast<std::uint64_t>(n));
    for (std::int64_t begin = 0; begin < n; begin += kBlock) {
      const std::int64_t m = std::min(kBlock, n - begin);
      const at::Tensor rows = pictures.draw(m);
      std::vector<std::string> names;
      for (std::int64_t i = 0; i < m; ++i) names.push_back(fmt::format("images/{}.jpg", begin + i));
      const auto start = std::chrono::steady_clock::now();
      index.add(rows, std::move(names));
      added += seconds_since(start);
      truth.add(rows, begin);
      progress.update(static_cast<std::uint64_t>(begin + m));
    }
    fmt::print("{} vectors of {}: built in {:.0f} s with {} threads, {:.2f} GB at most\n", n, d, added, at::get_num_threads(),
               peak_gigabytes());
    const auto start = std::chrono::steady_clock::now();
    index.save(file);
    fmt::print("written in {:.1f} s: {:.2f} GB\n", seconds_since(start),
               static_cast<double>(std::filesystem::file_size(file)) / 1073741824);
  }
  const auto start = std::chrono::steady_clock::now();
  emotion::SearchIndex index = emotion::SearchIndex::open(file);
  fmt::print("opened in {:.1f} s\n", seconds_since(start));
  for (const int each : {breadth / 2, breadth, 2 * breadth}) {
    index.set_breadth(each);
    std::vector<double> times;
    double recall = 0;
    for (std::int64_t i = 0; i < queries.size(0); ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto hits = index.search(queries.narrow(0, i, 1), kNearest);
      times.push_back(seconds_since(begin) * 1e3);
      recall += truth.recall(i, hits[0]) / static_cast<double>(queries.size(0));
    }
    std::sort(times.begin(), times.end());
    fmt::print("breadth {}: {:.2f} ms a query (p99 {:.2f}), recall@10 {:.4f}\n", each, times[times.size() / 2],
               times[times.size() * 99 / 100], recall);
  }
  fmt::print("{:.2f} GB at most\n", peak_gigabytes());
}
