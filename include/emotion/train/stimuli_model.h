#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/model/stimuli_net.h"
#include "emotion/train/device.h"
#include "emotion/train/stimuli_reader.h"

namespace emotion {

/// With a budget of its own, of data.cache_mb.
StimuliReader::Options stimuli_reader_options(const RunConfig& config, std::int64_t width);

/// What a config makes of the network. width: of the region features.
StimuliNetOptions stimuli_net_options(const RunConfig& config, std::int64_t classes, std::int64_t width);

/// A trained StimuliNet, ready to predict.
struct TrainedStimuliNet {
  StimuliNet network{nullptr};
  RunConfig config;
  std::vector<std::string> classes;
  std::vector<std::int8_t>
      polarity;         ///< of each class: 1 positive, -1 negative; empty where the training data gives none or is not there
  std::string faces;    ///< how the faces it was trained on were found: face_settings(); empty where that is not known
  std::string regions;  ///< what found the regions it was trained on: RegionFile::source; empty likewise
  std::filesystem::path file;
};
/// @throws WeightsError
TrainedStimuliNet load_stimuli_net(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                                   const Device& device);

}  // namespace emotion
