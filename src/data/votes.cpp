#include "emotion/data/votes.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "emotion/data/derived_dataset.h"
#include "emotion/error.h"

namespace emotion {
namespace {

/// The most votes for a class, the class, and how many classes have as many.
struct Top {
  std::uint32_t votes = 0, cls = 0, equals = 0;
};

Top top_class(std::span<const std::uint32_t> votes) {
  std::vector<std::uint32_t> sorted(votes.begin(), votes.end());
  std::sort(sorted.begin(), sorted.end());
  Top top;
  for (auto begin = sorted.begin(); begin != sorted.end();) {
    const auto end = std::upper_bound(begin, sorted.end(), *begin);
    const auto count = static_cast<std::uint32_t>(end - begin);
    if (count > top.votes) top = {count, *begin, 0};
    top.equals += count == top.votes;
    begin = end;
  }
  return top;
}

}  // namespace

std::optional<std::uint32_t> majority_vote(std::span<const std::uint32_t> votes, int at_least) {
  const Top top = top_class(votes);
  if (top.votes == 0 || top.equals > 1 || static_cast<std::int64_t>(top.votes) < at_least) return std::nullopt;
  return top.cls;
}

Agreement vote_agreement(const std::vector<std::vector<std::uint32_t>>& items, std::size_t classes) {
  Agreement agreement;
  agreement.votes.resize(classes);
  std::vector<std::uint64_t> with_top;  // [k]: items whose largest class has k votes
  double all_votes = 0;
  std::vector<std::uint64_t> counts(classes);
  for (const auto& votes : items) {
    if (votes.size() < 2) continue;
    ++agreement.items;
    std::fill(counts.begin(), counts.end(), 0);
    for (const std::uint32_t vote : votes) ++counts.at(vote);
    double pairs = 0;
    std::uint64_t most = 0;
    for (std::size_t j = 0; j < classes; ++j) {
      pairs += static_cast<double>(counts[j]) * (static_cast<double>(counts[j]) - 1);
      agreement.votes[j] += counts[j];
      most = std::max(most, counts[j]);
    }
    const auto n = static_cast<double>(votes.size());
    all_votes += n;
    agreement.observed += pairs / (n * (n - 1));
    with_top.resize(std::max<std::size_t>(with_top.size(), votes.size() + 1));
    ++with_top[most];
  }
  if (agreement.items == 0) {
    agreement.kappa = NAN;
    return agreement;
  }
  const auto count = static_cast<double>(agreement.items);
  agreement.observed /= count;
  for (const std::uint64_t votes : agreement.votes) agreement.expected += std::pow(static_cast<double>(votes) / all_votes, 2);
  agreement.kappa = agreement.expected < 1 ? (agreement.observed - agreement.expected) / (1 - agreement.expected) : NAN;
  agreement.at_least.assign(with_top.size(), 0);
  std::uint64_t sum = 0;
  for (std::size_t k = with_top.size(); k-- > 0;) {
    sum += with_top[k];
    agreement.at_least[k] = static_cast<double>(sum) / count;
  }
  return agreement;
}

VoteSummary write_majority(const Dataset& source, int at_least, const std::filesystem::path& out) {
  Dataset dataset = derive_dataset(source, out);
  SplitFiles files(dataset, source.splits);
  VoteSummary summary;
  for (const auto& [split, file] : source.splits) {
    const Manifest manifest = Manifest::open(source, split);
    ManifestWriter writer(out / (split + ".jsonl"));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      const auto votes = manifest[i].votes;
      const Top top = top_class(votes);
      ++summary.samples;
      if (const auto majority = majority_vote(votes, at_least)) {
        Sample sample = sample_of(manifest, i);
        sample.labels = {source.classes[*majority]};
        writer.write(sample);
        ++kept;
      } else {
        ++(top.votes == 0 ? summary.without : top.equals > 1 ? summary.tied : summary.below);
      }
    }
    if (kept == 0) throw DataError(fmt::format("{}: no sample has a majority of {} votes", manifest.file().string(), at_least));
    writer.close();
    summary.kept += kept;
    dataset.splits.emplace_back(split, split + ".jsonl");
  }
  dataset.save();
  files.keep();
  return summary;
}

}  // namespace emotion
