// Opens a split and reads one line in a thousand: seconds and peak memory as JSON. tests/benchmark/manifest.py runs it.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "emotion/data/manifest.h"

namespace {

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const long before = peak_kilobytes();
  const auto begin = std::chrono::steady_clock::now();
  const emotion::Manifest manifest = emotion::Manifest::open(emotion::Dataset::open(argv[1]), argv[2]);
  std::size_t keywords = 0;
  for (std::size_t i = 0; i < manifest.size(); i += 1000) keywords += manifest[i].keywords.size();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(
      "{\"samples\": %zu, \"open_seconds\": %.3f, \"peak_mb\": %.1f, \"of_it_libraries_mb\": %.1f, \"keywords_read\": %zu}\n",
      manifest.size(), seconds, static_cast<double>(peak_kilobytes()) / 1024, static_cast<double>(before) / 1024, keywords);
}
