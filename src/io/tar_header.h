#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace emotion {

inline constexpr std::uint64_t kTarBlock = 512;

/// POSIX.1-1988 ustar header; numbers are octal text, or big-endian behind a byte 0x80 (GNU).
struct TarHeader {
  char name[100], mode[8], uid[8], gid[8], size_text[12], time[12], sum[8];
  char type;
  char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];

  static TarHeader make(std::string_view member, std::uint64_t bytes);
  bool is_empty() const;
  bool sum_is_right() const;
  bool size(std::uint64_t& bytes) const;
  std::string full_name() const;
};
static_assert(sizeof(TarHeader) == kTarBlock);

/// A file open for reading at any place.
class ReadOnlyFile {
 public:
  /// @throws as throw_unreadable()
  explicit ReadOnlyFile(const std::filesystem::path& path);
  ~ReadOnlyFile();
  ReadOnlyFile(const ReadOnlyFile&) = delete;
  ReadOnlyFile& operator=(const ReadOnlyFile&) = delete;
  std::uint64_t size() const { return size_; }
  std::uint64_t time() const { return time_; }  ///< of the last change, nanoseconds
  /// Exactly `count` bytes. @throws DataError if there are fewer, and as throw_unreadable()
  void read(std::uint64_t at, void* to, std::uint64_t count) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0, time_ = 0;
};

}  // namespace emotion
