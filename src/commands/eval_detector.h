#pragma once

#include <string>

#include "emotion/commands/eval.h"
#include "emotion/train/device.h"

namespace emotion {

/// emotion_eval of a detector: COCO's metrics of a split with annotations, printed and, with --output, as metrics.json.
void eval_detector(const EvalOptions& options, const Device& device, const std::string& data, const std::string& split);

}  // namespace emotion
