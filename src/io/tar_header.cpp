#include "tar_header.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

std::string_view field(const char* text, std::size_t size) { return {text, ::strnlen(text, size)}; }

/// Octal digits between blanks, or GNU's binary form; false for anything else.
bool number(const char* text, std::size_t size, std::uint64_t& value) {
  value = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text);
  if (bytes[0] == 0x80) {
    for (std::size_t i = 1; i < size; ++i) {
      if (value >> 55 != 0) return false;
      value = value << 8 | bytes[i];
    }
    return true;
  }
  std::string_view digits = field(text, size);
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  for (const char c : digits) {
    if (c < '0' || c > '7') return false;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return !digits.empty();
}

/// Sum of all bytes, the sum's own field taken as blanks. Early tars summed signed bytes.
std::pair<std::int64_t, std::int64_t> sums(const TarHeader& header) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  const std::size_t begin = offsetof(TarHeader, sum), end = begin + sizeof header.sum;
  std::int64_t plain = 0, with_sign = 0;
  for (std::size_t i = 0; i < sizeof header; ++i) {
    const unsigned char byte = i >= begin && i < end ? ' ' : bytes[i];
    plain += byte;
    with_sign += static_cast<signed char>(byte);
  }
  return {plain, with_sign};
}

}  // namespace

TarHeader TarHeader::make(std::string_view member, std::uint64_t bytes) {
  TarHeader header{};
  std::copy(member.begin(), member.end(), header.name);
  std::memcpy(header.mode, "0000644", 7);
  std::memcpy(header.uid, "0000000", 7);
  std::memcpy(header.gid, "0000000", 7);
  const std::string size_octal = fmt::format("{:011o}", bytes);
  std::copy(size_octal.begin(), size_octal.end(), header.size_text);
  std::memcpy(header.time, "00000000000", 11);
  header.type = '0';
  std::memcpy(header.magic, "ustar", 6);
  std::memcpy(header.version, "00", 2);
  const std::string sum_octal = fmt::format("{:06o}", sums(header).first);
  std::copy(sum_octal.begin(), sum_octal.end(), header.sum);
  header.sum[7] = ' ';
  return header;
}

bool TarHeader::is_empty() const {
  const char* bytes = reinterpret_cast<const char*>(this);
  return std::all_of(bytes, bytes + sizeof *this, [](char c) { return c == '\0'; });
}

bool TarHeader::sum_is_right() const {
  std::uint64_t stored = 0;
  const auto [plain, with_sign] = sums(*this);
  const bool is_number = number(sum, sizeof sum, stored);
  return is_number && (static_cast<std::int64_t>(stored) == plain || static_cast<std::int64_t>(stored) == with_sign);
}

bool TarHeader::size(std::uint64_t& bytes) const { return number(size_text, sizeof size_text, bytes); }

std::string TarHeader::full_name() const {
  const std::string last(field(name, sizeof name));
  // GNU's own format keeps other things where POSIX has the prefix.
  if (std::memcmp(magic, "ustar\0", 6) != 0 || prefix[0] == '\0') return last;
  return std::string(field(prefix, sizeof prefix)) + "/" + last;
}

ReadOnlyFile::ReadOnlyFile(const std::filesystem::path& path) : path_(path) {
  struct stat status {};
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // the opening of a pipe would wait for a writer
  const int error = fd_ < 0 || ::fstat(fd_, &status) != 0 ? errno : S_ISREG(status.st_mode) ? 0 : EINVAL;
  if (error != 0) {
    if (fd_ >= 0) ::close(fd_);
    throw_unreadable(path.string() + ": cannot be read", error);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  time_ =
      static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000ULL + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
}

ReadOnlyFile::~ReadOnlyFile() { ::close(fd_); }

void ReadOnlyFile::read(std::uint64_t at, void* to, std::uint64_t count) const {
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = ::pread(fd_, out, count, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_unreadable(fmt::format("{}: at byte {}: cannot be read", path_.string(), at), errno);
    if (got == 0) throw DataError(fmt::format("{}: at byte {}: the file ends early", path_.string(), at));
    out += got;
    at += static_cast<std::uint64_t>(got);
    count -= static_cast<std::uint64_t>(got);
  }
}

}  // namespace emotion
