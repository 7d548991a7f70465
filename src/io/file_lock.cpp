#include "emotion/io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/signals.h"

namespace emotion {

namespace {

/// Waits for the lock of an open file, and says `waiting` once. 0, or why there is no lock. A stop that is asked for closes the
/// file.
/// @throws Interrupted
int wait_for_lock(int fd, const std::string& waiting, const std::string& name) {
  for (bool said = false; ::flock(fd, LOCK_EX | LOCK_NB) != 0; said = true) {
    const int error = errno;
    if (error != EWOULDBLOCK && error != EINTR) return error;
    if (stop_requested()) {
      ::close(fd);
      throw Interrupted("interrupted while waiting for " + name);
    }
    if (!said) log_info("{}; waiting", waiting);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return 0;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw RunError(file.string() + ": cannot be made: " + std::strerror(errno));
  if (const int error = wait_for_lock(fd_, file.string() + ": another process holds it", file.string()); error != 0) {
    ::close(fd_);
    throw RunError(file.string() + ": cannot be locked: " + std::strerror(error));
  }
}

FileLock::~FileLock() { ::close(fd_); }

IndexLock::IndexLock(const std::filesystem::path& source) : fd_(::open(source.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ >= 0) wait_for_lock(fd_, source.string() + ": another process makes its index", "the index of " + source.string());
}

IndexLock::~IndexLock() {
  if (fd_ >= 0) ::close(fd_);
}

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& held)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0) throw RunError(folder.string() + ": cannot be opened: " + std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(fd_);
  throw ConfigError(folder.string() + ": " + held);
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace emotion
