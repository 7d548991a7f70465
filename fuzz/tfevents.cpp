// read_events: records, their checksums, the wire format inside. Inputs get right checksums, or no fuzzer would come past them.
#include "emotion/io/tensorboard.h"

#include <cstring>
#include <string>

#include "emotion/error.h"
#include "memory_file.h"
#include "record_crc.h"

namespace {

/// Writes the checksums that the sizes in `text` ask for.
void mend_checksums(std::string& text) {
  for (std::size_t offset = 0; text.size() - offset >= 16;) {
    std::uint64_t size = 0;
    std::memcpy(&size, text.data() + offset, sizeof size);
    const std::uint32_t head = emotion::masked_crc(std::string_view(text).substr(offset, 8));
    std::memcpy(text.data() + offset + 8, &head, sizeof head);
    if (size > text.size() - offset - 16) return;
    const std::uint32_t body = emotion::masked_crc(std::string_view(text).substr(offset + 12, size));
    std::memcpy(text.data() + offset + 12 + size, &body, sizeof body);
    offset += 16 + size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && (data[size - 1] & 1) != 0) mend_checksums(text);
  try {
    const MemoryFile file(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    emotion::read_events(file.path());
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
