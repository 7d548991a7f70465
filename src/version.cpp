#include "emotion/version.h"

namespace emotion {

const char* version() { return EMOTION_VERSION; }

}  // namespace emotion
