#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

struct ZipMember {
  std::string name;
  std::uint64_t method = 0, crc = 0, packed = 0, size = 0;  ///< method: 0 = stored, 8 = deflated; sizes in bytes
  std::uint64_t header = 0;                                 ///< where its local header begins
};

/// The parts of PKWARE's ZIP that numpy.savez and torch.save write: stored and deflated members, ZIP64 sizes.
///
/// Sizes come from the central directory and are checked against the archive before anything is reserved: members may not share
/// bytes, and above 64 MiB none may unpack to more than 100 times its packed size.
class ZipArchive {
 public:
  /// `bytes` must outlive the archive; `where` is for errors. @throws WeightsError
  ZipArchive(std::string_view bytes, std::string where);
  const std::vector<ZipMember>& members() const { return members_; }
  /// Nullptr if there is none of that name.
  const ZipMember* find(std::string_view name) const;
  /// The content of a stored member, checked by its sum. @throws WeightsError also for a packed one
  std::string_view stored(const ZipMember& member) const;
  /// The content of any member. @throws WeightsError
  std::string unpack(const ZipMember& member) const;

 private:
  [[noreturn]] void refuse(const std::string& what) const;
  [[noreturn]] void refuse(const ZipMember& member, const std::string& what) const;
  std::string_view take(std::uint64_t at, std::uint64_t count) const;
  std::uint64_t number(std::uint64_t at, int count) const;
  void read_directory();
  void read_zip64(std::uint64_t at, std::uint64_t length, ZipMember& member) const;
  void check_places() const;
  std::string_view packed(const ZipMember& member) const;

  std::string_view bytes_;
  std::string where_;
  std::vector<ZipMember> members_;
};

}  // namespace emotion
