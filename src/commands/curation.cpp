#include "emotion/commands/curation.h"

#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/duplicates.h"
#include "emotion/data/split.h"
#include "emotion/data/votes.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/report/duplicate_page.h"
#include "result_file.h"

namespace emotion {
namespace {

/// check_result_file(); a file in the data set that the command makes needs no folder yet.
void check_result_beside(std::string_view flag, const std::string& file, ResultForm form, const std::string& out) {
  namespace fs = std::filesystem;
  const auto plain = [](const fs::path& folder) { return (fs::absolute(folder) / "").lexically_normal(); };
  const fs::path folder = fs::path(file).parent_path();
  if (!out.empty() && !folder.empty() && plain(folder) == plain(out)) {
    check_result_name(flag, file, form);
  } else {
    check_result_file(flag, file, form);
  }
}

}  // namespace
}  // namespace emotion

void emotion_data_dedup(const emotion::DedupOptions& o) {
  using namespace emotion;
  if (o.out.empty() && o.groups.empty() && o.html.empty())
    throw ConfigError("dedup has nothing to write; give --out DATASET, --groups FILE or --html FILE");
  const Dataset dataset = Dataset::open(o.data);
  if (!o.out.empty() && std::filesystem::exists(std::filesystem::path(o.out) / "dataset.yaml"))
    throw ConfigError(o.out + ": there is a data set already; give another --out");
  check_result_beside("--html", o.html, ResultForm::kPage, o.out);
  const DuplicateReport report = find_duplicates(dataset, {.radius = o.radius, .mirrored = o.mirrored, .workers = o.workers});
  log_info("{} pictures, {} groups of near-duplicates, {} pictures not kept", report.pictures.size(), report.groups.size(),
           report.dropped());
  if (const std::size_t unlike = unlike_groups(dataset, report); unlike > 0)
    log_warning("{} groups have pictures with different labels; the picture that is kept keeps its own", unlike);
  if (!o.out.empty()) write_without_duplicates(dataset, report, o.out);
  if (!o.groups.empty()) write_duplicate_groups(report, o.groups);
  if (!o.html.empty()) write_file_atomically(o.html, duplicate_page(dataset, report, o.shown));
}

void emotion_data_split(const emotion::SplitOptions& o) {
  using namespace emotion;
  write_new_splits(Dataset::open(o.data),
                   {.ratio = o.ratio,
                    .counts = o.counts,
                    .names = o.names,
                    .folds = o.folds,
                    .groups = o.groups,
                    .key = o.key,
                    .seed = o.seed,
                    .stratify = o.stratify},
                   o.out);
}

namespace {

void print_figures(const emotion::Agreement& agreement) {
  emotion::print_out("{} samples with votes: agreement {:.3f}, by chance {:.3f}, Fleiss' kappa {:.3f}\n", agreement.items,
                     agreement.observed, agreement.expected, agreement.kappa);
  for (std::size_t k = 2; k < agreement.at_least.size(); ++k)
    emotion::print_out("  {} equal votes or more: {:.1f} %\n", k, 100 * agreement.at_least[k]);
}

nlohmann::ordered_json agreement_json(const emotion::Agreement& agreement, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json{{"items", agreement.items},
                              {"observed_agreement", agreement.observed},
                              {"expected_agreement", agreement.expected},
                              {"fleiss_kappa", agreement.kappa}};  // NaN becomes null
  for (std::size_t k = 1; k < agreement.at_least.size(); ++k) json["equal_votes"][std::to_string(k)] = agreement.at_least[k];
  for (std::size_t j = 0; j < classes.size(); ++j) json["votes"][classes[j]] = agreement.votes[j];
  return json;
}

}  // namespace

void emotion_data_vote(const emotion::VoteOptions& o) {
  using namespace emotion;
  if (o.at_least < 1) throw ConfigError(fmt::format("--at-least is {}, 1 or more is needed", o.at_least));
  check_result_beside("--json", o.json, ResultForm::kJson, o.out);
  const Dataset dataset = Dataset::open(o.data);
  std::vector<std::vector<std::uint32_t>> items;
  for (const auto& [split, file] : dataset.splits) {
    const Manifest manifest = Manifest::open(dataset, split);
    for (std::size_t i = 0; i < manifest.size(); ++i) items.emplace_back(manifest[i].votes.begin(), manifest[i].votes.end());
  }
  const Agreement agreement = vote_agreement(items, dataset.classes.size());
  if (agreement.items == 0) throw DataError(o.data + ": no sample has two votes or more (\"votes\" of a line)");
  nlohmann::ordered_json json = agreement_json(agreement, dataset.classes);
  if (o.json != "-") print_figures(agreement);
  if (!o.out.empty()) {
    const VoteSummary summary = write_majority(dataset, o.at_least, o.out);
    log_info("{}: {} of {} samples; left out: {} ties, {} with fewer than {} equal votes, {} without votes", o.out, summary.kept,
             summary.samples, summary.tied, summary.below, o.at_least, summary.without);
    json["majority"] = {{"at_least", o.at_least}, {"samples", summary.samples}, {"kept", summary.kept},
                        {"tied", summary.tied},   {"below", summary.below},     {"without_votes", summary.without}};
  }
  if (!o.json.empty()) write_json_result(o.json, json.dump(2) + "\n");
}
