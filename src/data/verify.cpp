#include "emotion/data/verify.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/error.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {

std::vector<std::string> image_problems(const Manifest& manifest, int workers) {
  std::vector<std::string> problems(manifest.size());
  std::atomic<std::size_t> next{0}, done{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < manifest.size() && !stop_requested(); i = next++) {
      try {
        decode_image(manifest.image_path(i));
      } catch (const std::exception& error) {
        problems[i] = fmt::format("{}: {}", manifest.place(i), error.what());
      }
      ++done;
    }
  };
  const unsigned count = workers > 0 ? static_cast<unsigned>(workers) : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < count; ++t) threads.emplace_back(work);
  Progress progress("verify " + manifest.split(), manifest.size());
  while (done < manifest.size() && !stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    progress.update(done);
  }
  for (auto& thread : threads) thread.join();
  if (stop_requested()) throw Interrupted("verify: interrupted");
  std::erase(problems, "");
  return problems;
}

}  // namespace emotion
