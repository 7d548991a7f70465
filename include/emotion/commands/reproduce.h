#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

struct ReproduceOptions {
  std::vector<std::string> tables;  ///< ids or their beginnings; empty = all
  std::string scale = "paper", configs = "configs", output, device;
  std::string bin;  ///< folder of the commands; default: that of this one
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> settings;
  std::vector<std::string> compare;  ///< run folders to put side by side instead
  int jobs = 0;
  bool list = false, keep_weights = false;
  bool again = false;  ///< trains and makes anew what was made of data or weights that have changed since
};

}  // namespace emotion

EMOTION_COMMAND void emotion_reproduce(const emotion::ReproduceOptions& options);
