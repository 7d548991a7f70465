#include "emotion/threads.h"

#include <atomic>
#include <chrono>
#include <mutex>

#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {

bool for_each_in_threads(const std::string& title, std::size_t count, int workers, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto goes_on = [&] { return !failed && !stop_requested(); };
  const auto run = [&] {
    for (std::size_t i = next++; i < count && goes_on(); i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        failed = true;
      }
      ++done;
    }
  };
  std::vector<std::thread> threads = start_threads(worker_count(workers), run);
  Progress progress(title, count);
  while (done < count && goes_on()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    progress.update(done);
  }
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return !stop_requested();
}

}  // namespace emotion
