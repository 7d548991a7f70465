// parse_run_config: YAML of a run, and what a checkpoint says of its own
#include <string>
#include <string_view>

#include "emotion/config/run_config.h"
#include "emotion/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const emotion::RunConfig config = emotion::parse_run_config(text, "fuzz");
    // What is understood is printed so that it is understood again, as the same.
    const std::string printed = emotion::print_run_config(config);
    if (emotion::print_run_config(emotion::parse_run_config(printed, "printed")) != printed) std::abort();
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
