// A run configuration
#include "emotion/config/run_config.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    emotion::parse_run_config({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
