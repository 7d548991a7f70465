#pragma once

#include <span>
#include <string>

namespace emotion {

/// Samples of one picture with different boxes are different samples: appends a box (x, y, width, height) to what names the
/// picture, so that the whole names the sample.
inline void append_box(std::string& key, std::span<const float, 4> box) {
  key.append(1, '\0').append(reinterpret_cast<const char*>(box.data()), box.size_bytes());
}

}  // namespace emotion
