#pragma once

#include <string>
#include <vector>

namespace emotion {

/// One split of a data set, as a config or a command names it.
struct NamedSplit {
  std::string dataset, split;
};

/// The splits that a measurement reads: those of its flags, else those that emotion_probe and emotion_eval take by default.
std::vector<NamedSplit> splits_read(const std::string& command);

}  // namespace emotion
