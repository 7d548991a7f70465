#pragma once

#include <cstdint>

namespace emotion {

/// A place in a split: `offset` samples of epoch `epoch` (from 0) are behind.
struct StreamPosition {
  std::int64_t epoch = 0, offset = 0;
};

}  // namespace emotion
