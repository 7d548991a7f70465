#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {

/// The number of threads that `workers` asks for: 0 = one per core.
inline unsigned worker_count(int workers) {
  return workers > 0 ? static_cast<unsigned>(workers) : std::max(1U, std::thread::hardware_concurrency());
}

/// `count` threads that run `work`, which share what there is to do. Where the system starts no more of them (its limit of
/// processes or of memory) those there are do it. @throws RunError if there is none
template <class Work>
std::vector<std::thread> start_threads(unsigned count, const Work& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);  // an exception later would find threads that nobody has joined
  try {
    while (threads.size() < count) threads.emplace_back(work);
  } catch (const std::exception& error) {  // std::system_error, std::bad_alloc
    if (threads.empty()) throw RunError(fmt::format("no thread can be started: {}", error.what()));
    log_warning("{} of {} threads can be started: {}", threads.size(), count, error.what());
  }
  return threads;
}

/// work(0) .. work(count - 1), each called once by one of `workers` threads (worker_count()), with a progress bar called `title`.
/// A stop that is asked for, or an exception of `work`, lets no more of them begin.
/// @return false if a stop was asked for
/// @throws the first exception of `work`; RunError if no thread can be started
bool for_each_in_threads(const std::string& title, std::size_t count, int workers, const std::function<void(std::size_t)>& work);

}  // namespace emotion
