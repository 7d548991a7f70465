// read_safetensors
#include "emotion/error.h"
#include "emotion/io/weights.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    emotion::read_safetensors(file.path());
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
