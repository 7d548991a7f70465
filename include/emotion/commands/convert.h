#pragma once

#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

struct ConvertOptions {
  std::string input, output;
  std::string map, like;        ///< names: emotionnet, torchvision or a file; what they must fit: a backbone or a weights file
  std::string config, classes;  ///< metadata that makes a checkpoint of it: YAML, and a class a line or a data set
  std::vector<std::string> settings;
  bool list = false;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_convert(const emotion::ConvertOptions& options);
