#pragma once

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"

namespace emotion {

/// The split that a config names. @throws DataError
inline Manifest open_manifest(const SplitConfig& split) { return Manifest::open(Dataset::open(split.dataset), split.split); }

}  // namespace emotion
