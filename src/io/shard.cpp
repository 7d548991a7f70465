// Members of tar shards read in any order, without unpacking.
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>
#include <zlib.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"
#include "tar_header.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIndexTitle = "emotion shard index 1";
constexpr std::size_t kOpenShards = 64;

/// `TITLE size time members checksum` and a line `offset size name` a member. The checksum is of the lines.
std::string index_text(const ReadOnlyFile& file, const std::vector<TarMember>& members) {
  std::string lines;
  for (const auto& member : members) lines += fmt::format("{} {} {}\n", member.offset, member.size, member.name);
  const auto sum = ::crc32_z(0, reinterpret_cast<const Bytef*>(lines.data()), lines.size());
  return fmt::format("{} {} {} {} {}\n", kIndexTitle, file.size(), file.time(), members.size(), sum) + lines;
}

/// What index_text wrote, if it was for the archive as it is now.
bool parse_index(const std::string& text, const ReadOnlyFile& file, std::vector<TarMember>& members) {
  const std::size_t first = text.find('\n');
  if (first == std::string::npos) return false;
  const char* begin = text.data() + first + 1;
  const char* const end = text.data() + text.size();
  const auto sum = ::crc32_z(0, reinterpret_cast<const Bytef*>(begin), static_cast<z_size_t>(end - begin));
  const auto count = static_cast<std::size_t>(std::count(begin, end, '\n'));
  if (text.substr(0, first) != fmt::format("{} {} {} {} {}", kIndexTitle, file.size(), file.time(), count, sum)) return false;
  members.reserve(count);
  while (begin < end) {
    TarMember member;
    const auto offset = std::from_chars(begin, end, member.offset);
    if (offset.ec != std::errc() || offset.ptr == end) return false;
    const auto size = std::from_chars(offset.ptr + 1, end, member.size);
    if (size.ec != std::errc() || size.ptr == end) return false;
    const char* const line_end = std::find(size.ptr, end, '\n');
    member.name.assign(size.ptr + 1, line_end);
    if (member.offset < kTarBlock || member.offset > file.size() || member.size > file.size() - member.offset) return false;
    members.push_back(std::move(member));
    begin = line_end + 1;
  }
  return true;
}

/// The bytes in front of a member's content are a header of its size (a long name stands elsewhere and is not compared).
bool fits(const TarHeader& header, const TarMember& member) {
  std::uint64_t size = 0;
  return header.sum_is_right() && header.size(size) && size == member.size;
}

/// An open archive and where its members are.
class Shard {
 public:
  explicit Shard(const fs::path& archive) : archive_(archive), file_(archive) {
    const fs::path index = archive.string() + ".index";
    std::error_code none;
    if (!fs::is_regular_file(index, none) || !parse_index(read_file(index), file_, members_) || !is_of_this_archive()) {
      members_ = read_tar_index(archive);  // in place of what a stale index may have left
      const bool plain =
          std::none_of(members_.begin(), members_.end(), [](const auto& m) { return m.name.find('\n') != std::string::npos; });
      try {
        if (plain) write_file_atomically(index, index_text(file_, members_));
      } catch (const Error& error) {
        log_debug("the index is kept in memory: {}", error.what());
      }
    }
    std::sort(members_.begin(), members_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  }

  /// The index's first and last member are where it says, with their names: files made in one moment can share size and time.
  bool is_of_this_archive() const {
    for (const TarMember* member :
         {members_.empty() ? nullptr : &members_.front(), members_.empty() ? nullptr : &members_.back()}) {
      if (member == nullptr) return true;
      TarHeader header;
      file_.read(member->offset - kTarBlock, &header, kTarBlock);
      const std::string name = header.full_name();
      const bool same_name = member->name == name || member->name.size() > 99 || name == "./" + member->name;
      if (!fits(header, *member) || !same_name) return false;
    }
    return true;
  }

  bool unchanged() const {
    struct stat status {};
    return ::stat(archive_.c_str(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) == file_.size();
  }
  std::uint64_t time() const { return file_.time(); }

  const TarMember* find(const std::string& name) const {
    const auto found = std::lower_bound(members_.begin(), members_.end(), name,
                                        [](const TarMember& member, const std::string& wanted) { return member.name < wanted; });
    return found != members_.end() && found->name == name ? &*found : nullptr;
  }

  /// Header and content in one read; the header tells whether the archive is still what was indexed.
  std::string read(const std::string& name) const {
    const TarMember* member = find(name);
    if (member == nullptr) throw DataError(fmt::format("{}#{}: there is no such member", archive_.string(), name));
    std::string bytes(kTarBlock + member->size, '\0');
    file_.read(member->offset - kTarBlock, bytes.data(), bytes.size());
    TarHeader header;
    std::memcpy(&header, bytes.data(), kTarBlock);
    if (!fits(header, *member)) {
      throw DataError(fmt::format("{}: at byte {}: the header of member '{}' is damaged; pack the shard again", archive_.string(),
                                  member->offset - kTarBlock, name));
    }
    bytes.erase(0, kTarBlock);
    return bytes;
  }

 private:
  fs::path archive_;
  ReadOnlyFile file_;
  std::vector<TarMember> members_;  // by name
};

/// The shards in use; the one not used for longest goes first.
class OpenShards {
 public:
  std::shared_ptr<const Shard> get(const fs::path& archive) {
    std::shared_ptr<Slot> slot;
    {
      const std::lock_guard lock(mutex_);
      auto& entry = slots_[archive.string()];
      if (!entry) entry = std::make_shared<Slot>();
      entry->used = ++clock_;
      slot = entry;
      if (slots_.size() > kOpenShards) {
        const auto oldest = std::min_element(slots_.begin(), slots_.end(),
                                             [](const auto& a, const auto& b) { return a.second->used < b.second->used; });
        slots_.erase(oldest);
      }
    }
    // One thread indexes a shard while others wait for it, and only those that want this one.
    const std::lock_guard lock(slot->mutex);
    if (!slot->shard) slot->shard = std::make_shared<const Shard>(archive);
    return slot->shard;
  }

  void forget(const fs::path& archive) {
    const std::lock_guard lock(mutex_);
    slots_.erase(archive.string());
  }

 private:
  struct Slot {
    std::mutex mutex;
    std::shared_ptr<const Shard> shard;
    std::uint64_t used = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Slot>> slots_;
  std::uint64_t clock_ = 0;
};

OpenShards& open_shards() {
  static OpenShards shards;
  return shards;
}

}  // namespace

bool split_member_path(const fs::path& path, fs::path& archive, std::string& member) {
  const std::string& text = path.native();
  const std::size_t mark = text.find(".tar#");
  if (mark == std::string::npos) return false;
  archive = text.substr(0, mark + 4);
  member = text.substr(mark + 5);
  return true;
}

std::string read_file_or_member(const fs::path& path) {
  fs::path archive;
  std::string member;
  if (!split_member_path(path, archive, member)) return read_file(path);
  return open_shards().get(archive)->read(member);
}

FileState file_or_member_state(const fs::path& path) {
  fs::path archive;
  std::string name;
  if (split_member_path(path, archive, name)) {
    auto shard = open_shards().get(archive);
    if (!shard->unchanged()) {
      open_shards().forget(archive);
      shard = open_shards().get(archive);
    }
    const TarMember* member = shard->find(name);
    return member == nullptr ? FileState{} : FileState{member->size, shard->time()};
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000ULL +
                                                          static_cast<std::uint64_t>(status.st_mtim.tv_nsec)};
}

}  // namespace emotion
