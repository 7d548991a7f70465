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

FileLock::FileLock(const std::filesystem::path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw RunError(file.string() + ": cannot be made: " + std::strerror(errno));
  bool said = false;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK && error != EINTR) {
      ::close(fd_);
      throw RunError(file.string() + ": cannot be locked: " + std::strerror(error));
    }
    if (stop_requested()) {
      ::close(fd_);
      throw Interrupted("interrupted while waiting for " + file.string());
    }
    if (!said) log_info("{}: another process holds it; waiting", file.string());
    said = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

FileLock::~FileLock() { ::close(fd_); }

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
