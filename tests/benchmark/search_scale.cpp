// Builds an index of N random, clustered vectors and answers queries: search_scale [N = 1000000] [D = 300] [breadth = 128]
//
// Prints seconds to build, milliseconds a query (one at a time), recall@10 and the process's largest resident size.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include "emotion/eval/search_index.h"

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t n = argc > 1 ? std::atoll(argv[1]) : 1000000, d = argc > 2 ? std::atoll(argv[2]) : 300;
  const int breadth = argc > 3 ? std::atoi(argv[3]) : 128;
  at::manual_seed(1);
  // A mixture of 1,000 Gaussians: features of pictures lie in clusters too.
  const at::Tensor centres = at::randn({1000, d});
  at::Tensor vectors = at::empty({n, d});
  for (std::int64_t begin = 0; begin < n; begin += 10000) {
    const std::int64_t m = std::min<std::int64_t>(10000, n - begin);
    vectors.narrow(0, begin, m).copy_(centres.index_select(0, at::randint(1000, {m}, at::kLong)) + 0.7 * at::randn({m, d}));
  }
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < n; ++i) names.push_back(fmt::format("{}.jpg", i));
  auto begin = std::chrono::steady_clock::now();
  emotion::SearchIndex index = emotion::SearchIndex::build(
      vectors, std::move(names), {.kind = "hnsw", .space = "joint", .checkpoint = {}, .weights_hash = {}, .image_root = {}});
  const double built = seconds_since(begin);
  index.set_breadth(breadth);
  const at::Tensor queries = centres.narrow(0, 0, 200) + 0.7 * at::randn({200, d});
  begin = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < 200; ++i) index.search(queries.narrow(0, i, 1), 10);
  const double query = seconds_since(begin) / 200 * 1e3;
  const double recall = emotion::search_recall(index, vectors, 10, 200);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{} vectors of {}: built in {:.0f} s; {:.2f} ms a query, recall@10 {:.4f} at breadth {}; {:.2f} GB\n", n, d, built,
             query, recall, breadth, static_cast<double>(usage.ru_maxrss) / 1048576);
}
