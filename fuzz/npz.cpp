// NpzFile: the ZIP directory, inflating, .npy headers
#include "emotion/io/npz.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    emotion::NpzFile::read(file.path());
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
