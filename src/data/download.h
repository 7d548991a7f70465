#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emotion/data/fetch.h"

namespace emotion {

/// How a transfer ended.
struct DownloadResult {
  std::size_t job = 0;  ///< number of its URL
  std::string body;
  std::string failure;   ///< empty = done: a 2xx answer, whole, that begins as a picture does
  bool passing = false;  ///< a later attempt may succeed
};

/// Transfers URLs with libcurl's multi interface: limits per host, back-off, retries. One thread.
class Downloader {
 public:
  explicit Downloader(const FetchConfig& config);
  ~Downloader();
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;

  /// The URL must stay where it is until the job has its result: millions wait.
  void add(std::size_t job, const std::string& url);
  /// Moves transfers on, waiting at most `milliseconds` for the network; results that became final since the last call.
  /// `accept`: whether new transfers may start.
  std::vector<DownloadResult> step(int milliseconds, bool accept);
  /// True when every job has its result.
  bool idle() const;
  /// Ends step()'s waiting. From any thread.
  void wake();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
