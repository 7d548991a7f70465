#include "file_stamps.h"

#include <sys/stat.h>

#include <chrono>

#include <ATen/Parallel.h>

namespace emotion {
namespace {

FileStamp stamp_of(const std::string& file) {
  struct stat status {};
  if (file.empty() || ::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto since = std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  const auto time = std::chrono::file_clock::from_sys(std::chrono::sys_time<std::chrono::nanoseconds>(since));
  return {status.st_size, time.time_since_epoch().count()};
}

}  // namespace

std::vector<FileStamp> file_stamps(std::size_t count, const std::function<std::string(std::size_t)>& name) {
  std::vector<FileStamp> stamps(count);
  at::parallel_for(0, static_cast<std::int64_t>(count), 64, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) stamps[i] = stamp_of(name(i));
  });
  return stamps;
}

}  // namespace emotion
