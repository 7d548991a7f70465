// read_tar_index: the headers of a tar archive
#include "emotion/io/tar.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    for (const auto& member : emotion::read_tar_index(file.path())) {
      if (member.offset > size || member.size > size - member.offset) std::abort();
    }
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
