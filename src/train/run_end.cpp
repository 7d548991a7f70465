#include "emotion/train/run_end.h"

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/weights.h"
#include "emotion/train/checkpoint.h"
#include "run_state.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

bool has_weights(const fs::path& run) {
  try {
    find_model_file(run);
    return true;
  } catch (const WeightsError&) {
    return false;
  }
}

}  // namespace

bool is_unfinished_run(const fs::path& run) {
  const fs::path config_file = run / "config.yaml", state_file = run / "checkpoints" / "last" / "state.safetensors";
  if (!fs::exists(config_file)) return false;
  if (!fs::exists(state_file)) return !has_weights(run);
  const TrainConfig length = parse_run_config(read_file(config_file), config_file.string()).train;
  const RunState state = RunState::from_metadata(read_safetensors_metadata(state_file), state_file.string());
  return !is_at_end(state.step, state.place, length) || !state.evaluated;
}

}  // namespace emotion
