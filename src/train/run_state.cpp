#include "run_state.h"

#include <cmath>
#include <exception>

#include <fmt/format.h>

namespace emotion {
namespace {

bool is_better(const std::string& metric, double value, double best) { return metric == "loss" ? value < best : value > best; }

}  // namespace

std::string of_rank(const char* name, std::size_t rank) { return rank == 0 ? name : fmt::format("{}.{}", name, rank); }

void RunState::keep_best(const std::string& metric, double value) {
  if (!std::isfinite(value) || (best_step >= 0 && !is_better(metric, value, best_value))) return;
  best_step = step;
  best_value = value;
}

std::map<std::string, std::string> RunState::to_metadata() const {
  std::map<std::string, std::string> metadata{{"step", std::to_string(step)},
                                              {"evaluated", evaluated ? "1" : "0"},
                                              {"best_step", std::to_string(best_step)},
                                              {"best_value", fmt::format("{}", best_value)},
                                              {"epoch", std::to_string(place.epoch)},
                                              {"offset", std::to_string(place.offset)},
                                              {"extra_epoch", std::to_string(extra_place.epoch)},
                                              {"extra_offset", std::to_string(extra_place.offset)},
                                              {"processes", std::to_string(processes)}};
  if (!loss_scale.empty()) metadata["loss_scale"] = loss_scale;
  if (averaged) metadata["averaged"] = *averaged ? "1" : "0";
  for (std::size_t r = 0; r < windows.size(); ++r) metadata[of_rank("loss_window", r)] = windows[r];
  return metadata;
}

RunState RunState::from_metadata(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const auto number = [&](const char* key) { return std::stoll(metadata.at(key)); };
  RunState state;
  try {
    state.step = number("step");
    state.evaluated = metadata.at("evaluated") == "1";
    state.best_step = number("best_step");
    state.best_value = std::stod(metadata.at("best_value"));
    state.place = {number("epoch"), number("offset")};
    state.extra_place = {number("extra_epoch"), number("extra_offset")};
    state.processes = number("processes");
    for (std::size_t r = 0; r < static_cast<std::size_t>(state.processes); ++r)
      state.windows.push_back(metadata.at(of_rank("loss_window", r)));
  } catch (const std::exception&) {
    throw not_a_checkpoint(file);
  }
  if (const auto scale = metadata.find("loss_scale"); scale != metadata.end()) state.loss_scale = scale->second;
  if (const auto averaged = metadata.find("averaged"); averaged != metadata.end()) state.averaged = averaged->second == "1";
  return state;
}

WeightsError RunState::not_a_checkpoint(const std::string& file) {
  return WeightsError(file + ": its metadata is not that of a checkpoint");
}

bool is_at_end(std::int64_t step, const StreamPosition& place, const TrainConfig& length) {
  return place.epoch >= length.epochs || (length.max_steps > 0 && step >= length.max_steps);
}

}  // namespace emotion
