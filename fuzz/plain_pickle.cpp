// PlainPickle, and every value it holds
#include "emotion/io/plain_pickle.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const emotion::PlainPickle pickle({reinterpret_cast<const char*>(data), size}, "fuzz");
    const auto root = pickle.root();
    std::size_t sum = root.text().size();
    for (std::size_t i = 0; i < root.size() && i < 1000; ++i) {
      const auto item = root[i];
      sum += item.text().size() + item.array_bytes().size() + item.array_shape().size() + item.array_type().size();
      for (std::size_t k = 0; k < item.size() && k < 100; ++k)
        sum += static_cast<std::size_t>(item[k].integer() & 1) + item[k].text().size();
    }
    if (root.find("key2idx")) ++sum;
    [[maybe_unused]] static volatile std::size_t sink;
    sink = sum;
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
