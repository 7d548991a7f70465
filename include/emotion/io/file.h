#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace emotion {

/// The error of a file that cannot be read: `text: ` and the reason of errno `error`.
///
/// @throws DataError; RunError where the reason is the machine's and says nothing about the file: no memory, no descriptors, a
///         disk or a server that fails
[[noreturn]] void throw_unreadable(const std::string& text, int error);

/// The whole of a file.
///
/// @throws DataError naming the path if it is missing, a directory, unreadable, or larger than `limit` bytes; RunError as
///         throw_unreadable() does
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 32);

/// When a written file is brought to the disk.
enum class FileSync {
  kNow,
  kLater  ///< by sync_disk(), one for many files: until then a power cut may leave the file empty, though not a kill
};

/// A file that is written whole or not at all: a temporary file in the same folder, fsync, rename, fsync of the folder. Of a link
/// to a file, the file is replaced; a terminal, a pipe or another device is simply written to.
class AtomicFile {
 public:
  /// @throws RunError naming the path and the system's reason, as check() and commit() do
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();  ///< without commit(): the temporary file is removed, the old file untouched
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Takes the content. What it cannot write is told by check() and commit().
  std::ostream& out();
  /// @throws RunError if some of the content could not be written (disk full)
  void check() const;
  /// Puts the content under its name; called once, at the end. @throws RunError; the old file is then untouched
  void commit(FileSync sync = FileSync::kNow);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// Writes an AtomicFile.
///
/// @throws RunError naming the path and the system's reason (disk full, no permission); the old file is then untouched
void write_file_atomically(const std::filesystem::path& path, std::string_view content, FileSync sync = FileSync::kNow);

/// The same for content that is produced piece by piece; `produce` writes to the stream it is given.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(std::ostream&)>& produce,
                           FileSync sync = FileSync::kNow);

/// fsync of a file or a folder. @throws RunError
void sync_path(const std::filesystem::path& path);

/// Brings all that was written to the disk of `folder` to it, by whatever process: for many files that are not synchronised one
/// by one, before the file that names them. Does nothing where the system cannot.
void sync_disk(const std::filesystem::path& folder);

/// Makes `link` a symbolic link to `target` (a relative name), replacing an older link in one step. @throws RunError
void replace_link(const std::filesystem::path& target, const std::filesystem::path& link);

/// `relative` below `root`, without touching the disk.
///
/// @throws DataError if `relative` is empty, absolute, holds a NUL, or leaves `root` through `..`
std::filesystem::path path_below(const std::filesystem::path& root, std::string_view relative);

/// A folder of its own below the system's temporary folder, removed with what is in it at the end of the scope.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A read-only memory map of a file. Pages are read when touched; an empty file maps to an empty span.
class MappedFile {
 public:
  /// @throws as read_file()
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace emotion
