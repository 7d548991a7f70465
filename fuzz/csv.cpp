// CsvTable and CsvReader
#include "csv.h"

#include "emotion/error.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const MemoryFile file(data, size);
    const auto table = emotion::CsvTable::read(file.path());
    for (const auto& row : table.rows) {
      if (row.fields.size() != table.header.size()) std::abort();
    }
  } catch (const emotion::Error&) {  // refused with a line of its own: as it should be
  }
  return 0;
}
