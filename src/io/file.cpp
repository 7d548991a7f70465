#include "emotion/io/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <ostream>
#include <streambuf>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/random.h"
#include "link_target.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Opens a regular file for reading and gives its size. Without O_NONBLOCK the opening of a pipe would wait for a writer; reading
/// a regular file does not know the flag.
std::pair<int, std::uint64_t> open_for_reading(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw_unreadable(path.string() + ": cannot be read", errno);
  Descriptor guard(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw_unreadable(path.string() + ": cannot be read", errno);
  if (S_ISDIR(info.st_mode)) throw DataError(fmt::format("{}: is a folder, a file is needed", path.string()));
  if (!S_ISREG(info.st_mode)) throw DataError(fmt::format("{}: is not a regular file", path.string()));
  return {guard.release(), static_cast<std::uint64_t>(info.st_size)};
}

/// A new file beside `path`, its name in `temporary`; -1 with errno set. Opened as any new file is: umask and the folder's
/// default rights make its mode, which mkstemp's 0600 would hide.
int open_temporary(const fs::path& path, const fs::path& folder, std::string& temporary) {
  static std::atomic<std::uint64_t> count{0};
  int fd = -1;
  for (int attempt = 0; attempt < 100 && (attempt == 0 || (fd < 0 && errno == EEXIST)); ++attempt) {
    const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    const std::uint64_t number = mix_bits(now ^ mix_bits(static_cast<std::uint64_t>(::getpid()) << 32 ^ ++count));
    temporary = (folder / fmt::format(".{}.{:06x}", path.filename().string(), number & 0xffffff)).string();
    fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  return fd;
}

/// A stream buffer over a descriptor that keeps the first error number.
class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int fd) : fd_(fd), buffer_(1 << 18) { setp(buffer_.data(), buffer_.data() + buffer_.size()); }
  int error() const { return error_; }

 protected:
  int overflow(int c) override {
    if (sync() != 0) return traits_type::eof();
    if (c != traits_type::eof()) {
      *pptr() = static_cast<char>(c);
      pbump(1);
    }
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* data, std::streamsize count) override {
    if (count < epptr() - pptr()) {
      std::memcpy(pptr(), data, static_cast<std::size_t>(count));
      pbump(static_cast<int>(count));
      return count;
    }
    if (sync() != 0 || !write_all(data, static_cast<std::size_t>(count))) return 0;
    return count;
  }
  int sync() override {
    const bool good = write_all(pbase(), static_cast<std::size_t>(pptr() - pbase()));
    setp(buffer_.data(), buffer_.data() + buffer_.size());
    return good ? 0 : -1;
  }

 private:
  bool write_all(const char* data, std::size_t count) {
    while (count > 0 && error_ == 0) {
      const ssize_t written = ::write(fd_, data, count);
      if (written < 0) {
        if (errno != EINTR) error_ = errno;
        continue;
      }
      data += written;
      count -= static_cast<std::size_t>(written);
    }
    return error_ == 0;
  }

  int fd_;
  int error_ = 0;
  std::vector<char> buffer_;
};

}  // namespace

void throw_unreadable(const std::string& text, int error) {
  static constexpr int kOfTheMachine[] = {EMFILE,   ENFILE,      ENOMEM,    EAGAIN,       EIO,
                                          ESTALE,   EREMOTEIO,   ETIMEDOUT, EHOSTDOWN,    EHOSTUNREACH,
                                          ENETDOWN, ENETUNREACH, ENOTCONN,  ECONNABORTED, ECONNRESET};
  const std::string what = text + ": " + reason(error);
  if (std::find(std::begin(kOfTheMachine), std::end(kOfTheMachine), error) != std::end(kOfTheMachine)) throw RunError(what);
  throw DataError(what);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const auto [fd, size] = open_for_reading(path);
  Descriptor guard(fd);
  if (size > limit) throw DataError(fmt::format("{}: has {} bytes, at most {} are read", path.string(), size, limit));
  std::string content(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_unreadable(path.string() + ": cannot be read", errno);
    if (got == 0) break;  // the file shrank meanwhile
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

struct AtomicFile::Data {
  explicit Data(const fs::path& file) : path(file), descriptor(open()), buffer(descriptor.get()), out(&buffer) {}

  RunError failure(int error) const { return RunError(fmt::format("{}: cannot be written: {}", path.string(), reason(error))); }

  int open() {
    std::error_code unknown;
    int fd = -1;
    if (fs::is_other(path, unknown)) {  // a terminal or a pipe is written to, not replaced
      fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    } else {
      target = link_target(path);  // a link stays
      folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
      fd = open_temporary(target, folder, temporary);
    }
    if (fd < 0) throw failure(errno);
    return fd;
  }

  fs::path path, target, folder;
  std::string temporary;  // empty: nothing to rename, or to remove
  Descriptor descriptor;
  DescriptorBuffer buffer;
  std::ostream out;
};

AtomicFile::AtomicFile(const fs::path& path) : data_(std::make_unique<Data>(path)) {}

AtomicFile::~AtomicFile() {
  if (!data_->temporary.empty()) ::unlink(data_->temporary.c_str());
}

std::ostream& AtomicFile::out() { return data_->out; }

void AtomicFile::check() const {
  if (data_->buffer.error() != 0) throw data_->failure(data_->buffer.error());
  if (!data_->out) throw data_->failure(EIO);
}

void AtomicFile::commit(FileSync sync) {
  data_->out.flush();
  check();
  if (data_->temporary.empty()) return;
  if (sync == FileSync::kNow && ::fsync(data_->descriptor.get()) != 0) throw data_->failure(errno);
  if (::rename(data_->temporary.c_str(), data_->target.c_str()) != 0) throw data_->failure(errno);
  data_->temporary.clear();
  if (sync == FileSync::kNow) sync_path(data_->folder);
}

void write_file_atomically(const fs::path& path, std::string_view content, FileSync sync) {
  const auto produce = [&](std::ostream& out) { out.write(content.data(), static_cast<std::streamsize>(content.size())); };
  write_file_atomically(path, produce, sync);
}

void write_file_atomically(const fs::path& path, const std::function<void(std::ostream&)>& produce, FileSync sync) {
  AtomicFile file(path);
  produce(file.out());
  file.commit(sync);
}

void sync_path(const fs::path& path) {
  Descriptor guard(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (guard.get() < 0 || ::fsync(guard.get()) != 0) {
    throw RunError(fmt::format("{}: cannot be synchronised to disk: {}", path.string(), reason(errno)));
  }
}

void sync_disk(const fs::path& folder) {
  Descriptor guard(::open(folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (guard.get() >= 0) ::syncfs(guard.get());
}

void replace_link(const fs::path& target, const fs::path& link) {
  const fs::path temporary = link.parent_path() / fmt::format(".{}.{}", link.filename().string(), ::getpid());
  std::error_code ignored;
  fs::remove(temporary, ignored);
  if (::symlink(target.c_str(), temporary.c_str()) != 0 || ::rename(temporary.c_str(), link.c_str()) != 0) {
    const int error = errno;
    fs::remove(temporary, ignored);
    throw RunError(fmt::format("{}: link cannot be made: {}", link.string(), reason(error)));
  }
  sync_path(link.parent_path());
}

fs::path path_below(const fs::path& root, std::string_view relative) {
  const fs::path part(relative);
  if (relative.empty()) throw DataError("empty path");
  if (relative.find('\0') != std::string_view::npos) throw DataError("a path holds a NUL character");
  if (part.is_absolute())
    throw DataError(fmt::format("'{}' is an absolute path, a path below '{}' is needed", relative, root.string()));
  int depth = 0;
  for (const auto& name : part) {
    if (name == "..") {
      --depth;
    } else if (!name.empty() && name != ".") {
      ++depth;
    }
    if (depth < 0) throw DataError(fmt::format("'{}' leaves '{}'", relative, root.string()));
  }
  return root / part;
}

ScratchFolder::ScratchFolder() {
  std::string name = (fs::temp_directory_path() / "emotion.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw RunError(name + ": cannot be made: " + reason(errno));
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const auto [fd, size] = open_for_reading(path);
  Descriptor guard(fd);
  if (size == 0) return;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) throw_unreadable(path.string() + ": cannot be mapped", errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace emotion
