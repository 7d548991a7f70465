#include "host_settings.h"

#include "emotion/config/run_config.h"

namespace emotion {

std::string chosen_device(const CheckpointOptions& options) {
  return options.device != "auto" ? options.device : parse_settings(options.settings).device;
}

int chosen_workers(const CheckpointOptions& options) {
  return options.workers > 0 ? options.workers : parse_settings(options.settings).data.workers;
}

}  // namespace emotion
