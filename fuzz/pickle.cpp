// read_pth: the zip form, the legacy form and the unpickler
#include "emotion/error.h"
#include "emotion/io/weights.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    emotion::read_pth(file.path());
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
