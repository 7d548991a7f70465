// WordVectors: the binary and the text form
#include "emotion/text/word_vectors.h"

#include <vector>

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    const auto words = emotion::WordVectors::open(file.path());
    if (words.dimension() > 1000) return 0;
    std::vector<float> row(static_cast<std::size_t>(words.dimension()));
    for (std::size_t i = 0; i < words.size() && i < 20; ++i) words.copy(words.find(words.word(i)).value(), row);
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
