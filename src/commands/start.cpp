#include <string>

#include "emotion/commands/common.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "emotion/train/tensor_memory.h"

/// Every command's first call: log level, signals, and the memory of tensors.
EMOTION_COMMAND void emotion_start(const std::string& log_level) {
  emotion::set_log_level(emotion::parse_log_level(log_level));
  emotion::handle_stop_signals();
  emotion::keep_tensor_memory();
}
