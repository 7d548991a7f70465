// A split of a data set, line by line
#include "emotion/data/manifest.h"
#include "emotion/data/verify.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    emotion::Dataset dataset;
    dataset.root = file.folder();
    dataset.classes = {"awe", "fear"};
    dataset.splits = {{"train", file.name()}};
    emotion::line_problems(dataset, "train");
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
