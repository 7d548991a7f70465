// decode_jpeg: our entropy decoder below libjpeg, which judges what that refuses
#include "decode_jpeg.h"

#include <cstdint>

#include "emotion/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    // A part, so that blocks left, right and above it are passed over; pictures that are large by their header alone take too
    // long.
    emotion::decode_jpeg_region(bytes, "input", 8, [](int width, int height) {
      if (width > 512 || height > 512) throw emotion::DataError("large");
      return emotion::Region{width / 3, height / 4, (width + 1) / 2, (height + 1) / 2};
    });
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
