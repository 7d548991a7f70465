#pragma once

#include <string>

namespace emotion {

/// 16 pictures of 64 x 64 pixels of four classes, with keywords, faces and regions.
inline const std::string kTiny = std::string(EMOTION_TEST_DATA) + "/fixtures/tiny";

}  // namespace emotion
