#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/commands/curation.h"
#include "emotion/data/votes.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "result_file.h"

namespace emotion {
namespace {

void print_figures(const Agreement& agreement) {
  print_out("{} samples with votes: agreement {:.3f}, by chance {:.3f}, Fleiss' kappa {:.3f}\n", agreement.items,
            agreement.observed, agreement.expected, agreement.kappa);
  for (std::size_t k = 2; k < agreement.at_least.size(); ++k)
    print_out("  {} equal votes or more: {:.1f} %\n", k, 100 * agreement.at_least[k]);
}

nlohmann::ordered_json agreement_json(const Agreement& agreement, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json{{"items", agreement.items},
                              {"observed_agreement", agreement.observed},
                              {"expected_agreement", agreement.expected},
                              {"fleiss_kappa", agreement.kappa}};  // NaN becomes null
  for (std::size_t k = 1; k < agreement.at_least.size(); ++k) json["equal_votes"][std::to_string(k)] = agreement.at_least[k];
  for (std::size_t j = 0; j < classes.size(); ++j) json["votes"][classes[j]] = agreement.votes[j];
  return json;
}

}  // namespace
}  // namespace emotion

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
