#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "stream_position.h"

namespace emotion {

/// Each rank's part of a checkpoint: `name` for rank 0, `name.1`, `name.2`, ..
std::string of_rank(const char* name, std::size_t rank);

/// What a checkpoint remembers beside weights, optimiser and random state: the metadata of state.safetensors.
struct RunState {
  std::int64_t step = 0;        ///< steps done
  bool evaluated = true;        ///< the evaluation due after `step` has run
  std::int64_t best_step = -1;  ///< -1 = none yet
  double best_value = 0;
  StreamPosition place, extra_place;  ///< in the training data and in the second data set
  std::int64_t processes = 1;
  std::string loss_scale;            ///< LossScale::save(); empty where the checkpoint has none
  std::optional<bool> averaged;      ///< an average of the weights has begun; a checkpoint that does not say has one that had
  std::vector<std::string> windows;  ///< LossWindow::save() of each process, by rank

  /// Takes `step` as the best one if `value` is better than those before: lower for the metric `loss`, higher for every other.
  /// NaN and infinite values are passed over.
  void keep_best(const std::string& metric, double value);

  std::map<std::string, std::string> to_metadata() const;
  /// @throws WeightsError, not_a_checkpoint(), for a missing key (loss_scale and averaged may be) and for what is no number
  static RunState from_metadata(const std::map<std::string, std::string>& metadata, const std::string& file);
  /// The error of metadata of which some part cannot be read.
  static WeightsError not_a_checkpoint(const std::string& file);
};

/// True for a run of that length that has no step left: `step` are done, and `place` is where it stands in the training data.
bool is_at_end(std::int64_t step, const StreamPosition& place, const TrainConfig& length);

}  // namespace emotion
