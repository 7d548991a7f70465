#pragma once

#include <filesystem>
#include <string>
#include <utility>

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

/// Held while the index of a file is made, so that the processes of a host make it once, not each its own in its memory. It is a
/// lock of the file itself, which leaves nothing behind; where the disk has no such locks (NFS) none is held.
class IndexLock {
 public:
  /// Waits as FileLock does. @throws Interrupted
  explicit IndexLock(const std::filesystem::path& source);
  ~IndexLock();
  IndexLock(const IndexLock&) = delete;
  IndexLock& operator=(const IndexLock&) = delete;

 private:
  int fd_;
};

/// A folder that one process at a time works in; it ends with the object, or with the process, and leaves nothing.
class FolderLock {
 public:
  /// Locks nothing on file systems where a folder cannot be locked (NFS).
  /// @throws ConfigError "FOLDER: `held`" if another process has it, RunError if the folder cannot be read
  FolderLock(const std::filesystem::path& folder, const std::string& held);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  int fd_;
};

}  // namespace emotion
