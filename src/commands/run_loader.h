#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/loader.h"
#include "emotion/data/manifest.h"

namespace emotion {

/// The samples that a run of `config` sees.
std::vector<std::uint64_t> run_samples(const RunConfig& config, const Manifest& manifest);

/// How a run of `config` loads that split of the data set in folder `data`: with the training transform on its training split,
/// else with the one without chance. Without a cache.
LoaderOptions run_loader(const RunConfig& config, const std::string& data, const std::string& split);

}  // namespace emotion
