#pragma once

#include <filesystem>

namespace emotion {

/// An advisory lock that one process (or thread) at a time holds; it ends with the object, or with the process.
///
/// The file is made where it is missing and stays: removing it would let two holders in.
class FileLock {
 public:
  /// Waits until the lock is free, saying so once.
  /// @throws RunError if the file cannot be made, Interrupted
  explicit FileLock(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

}  // namespace emotion
