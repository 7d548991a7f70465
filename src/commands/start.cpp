#include "emotion/commands/common.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "emotion/train/tensor_memory.h"

void emotion_start(const std::string& log_level) {
  emotion::set_log_level(emotion::parse_log_level(log_level));
  emotion::handle_stop_signals();
  emotion::keep_tensor_memory();
}
