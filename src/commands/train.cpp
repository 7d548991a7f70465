#include "emotion/commands/train.h"

#include <cstdio>

#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/train/trainer.h"

void emotion_train(const emotion::TrainOptions& options) {
  using namespace emotion;
  if (options.schema) {
    std::fputs(run_config_schema().c_str(), stdout);
    return;
  }
  if (options.config.empty()) throw ConfigError("--config is missing; emotion_train --config FILE, see --help");
  std::vector<std::string> settings = options.settings;
  if (!options.output.empty()) settings.push_back("output=" + options.output);
  if (!options.device.empty()) settings.push_back("device=" + options.device);
  const RunConfig config = load_run_config(options.config, settings);
  if (options.print_config) {
    std::fputs(print_run_config(config).c_str(), stdout);
    return;
  }
  train(config, options.resume);
}
