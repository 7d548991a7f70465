#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// A file within a tar archive.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0;  ///< of its first byte in the archive; its last header block is the 512 bytes before that
  std::uint64_t size = 0;    ///< bytes
};

/// The regular files of an uncompressed tar archive (POSIX ustar and pax, GNU long names and large sizes), in their order.
///
/// Only headers are read. Folders and links are passed over: nothing is ever unpacked.
/// @throws DataError naming the archive and the byte: a damaged header, a member that ends behind the archive's end, a name that
///         is absolute or leaves the archive through `..`, a name that stands twice, a sparse or compressed archive
std::vector<TarMember> read_tar_index(const std::filesystem::path& archive);

/// Writes an uncompressed ustar archive whole or not at all. Members carry no owner, mode 0644 and time 0: the bytes follow from
/// names and contents alone.
class TarWriter {
 public:
  explicit TarWriter(const std::filesystem::path& archive);
  ~TarWriter();  ///< without close(): nothing is left behind
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  /// @throws ConfigError for a name above 100 bytes or a content above 8 GiB, which ustar has no room for; RunError
  void add(std::string_view name, std::string_view content);
  /// AtomicFile::commit(). @throws RunError
  void close();
  const std::vector<TarMember>& members() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// Splits `shard.tar#member`; false if the path names no member.
bool split_member_path(const std::filesystem::path& path, std::filesystem::path& archive, std::string& member);

/// read_tar_index() of an archive that is read by member: by `shard.tar.index`, where it is there and of the archive as it is.
std::vector<TarMember> shard_members(const std::filesystem::path& archive);

/// Writes `shard.tar.index` of an archive that was just written, so that no reader has to look for its headers.
void write_shard_index(const std::filesystem::path& archive, const std::vector<TarMember>& members);

/// The whole of a file, or of a member of an archive where the path is `shard.tar#member`.
///
/// An archive is indexed when it is first used; the index is kept in memory and, where the folder can be written, beside it in
/// `shard.tar.index`, so that later runs do not look for headers again. Archives are held open as far as half of the process's
/// limit of open files goes. Safe from any thread.
/// @throws DataError as read_file and read_tar_index do; for a member that is not there; for a header that has changed since,
///         with its byte
std::string read_file_or_member(const std::filesystem::path& path);

/// Size in bytes and time of the last change in nanoseconds of a file or, for a member, its size and its archive's time; zeros
/// if it is not there.
struct FileState {
  std::uint64_t bytes = 0, time = 0;
};
FileState file_or_member_state(const std::filesystem::path& path);

}  // namespace emotion
