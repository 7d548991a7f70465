// Members of tar shards read in any order, without unpacking.
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

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
bool fits(const TarHeader& header, std::uint64_t bytes) {
  std::uint64_t size = 0;
  return header.sum_is_right() && header.size(size) && size == bytes;
}

/// A pax record may name the member, and the header in another way: shortened, or with `?` for what is not ASCII.
bool may_stand_elsewhere(std::string_view name) {
  return name.size() > 99 || std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7f; });
}

/// The index's first and last member are where it says, with their names: files made in one moment can share size and time.
bool is_of_archive(const std::vector<TarMember>& members, const ReadOnlyFile& file) {
  for (const TarMember* member : {members.empty() ? nullptr : &members.front(), members.empty() ? nullptr : &members.back()}) {
    if (member == nullptr) return true;
    TarHeader header;
    file.read(member->offset - kTarBlock, &header, kTarBlock);
    const std::string name = header.full_name();
    const bool same_name = member->name == name || may_stand_elsewhere(member->name) || name == "./" + member->name;
    if (!fits(header, member->size) || !same_name) return false;
  }
  return true;
}

fs::path index_of(const fs::path& archive) { return archive.string() + ".index"; }

void write_index(const fs::path& archive, const ReadOnlyFile& file, const std::vector<TarMember>& members) {
  const bool plain =
      std::none_of(members.begin(), members.end(), [](const auto& m) { return m.name.find('\n') != std::string::npos; });
  try {
    if (plain) write_file_atomically(index_of(archive), index_text(file, members));
  } catch (const Error& error) {
    log_debug("the index is kept in memory: {}", error.what());
  }
}

/// By the index beside the archive or, where there is none of it as it is now, by its headers; the index is written then.
std::vector<TarMember> members_of(const fs::path& archive, const ReadOnlyFile& file) {
  std::vector<TarMember> members;
  std::error_code none;
  const bool there = fs::is_regular_file(index_of(archive), none);
  if (there && parse_index(read_file(index_of(archive)), file, members) && is_of_archive(members, file)) return members;
  members = read_tar_index(archive);  // in place of what a stale index may have left
  write_index(archive, file, members);
  return members;
}

/// Where the members of an archive are: some 40 bytes for each, which stay for as long as the process.
class MemberTable {
 public:
  struct Place {
    std::uint64_t offset = 0, size = 0;
  };

  explicit MemberTable(std::vector<TarMember> members) {
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    std::size_t characters = 0;
    for (const auto& member : members) characters += member.name.size();
    names_.reserve(characters);
    entries_.reserve(members.size());
    for (const auto& member : members) {
      entries_.push_back({{member.offset, member.size}, names_.size()});
      names_ += member.name;
    }
  }

  const Place* find(std::string_view name) const {
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), name,
                                        [&](const Entry& entry, std::string_view wanted) { return name_of(entry) < wanted; });
    return found != entries_.end() && name_of(*found) == name ? &found->place : nullptr;
  }

 private:
  struct Entry {
    Place place;
    std::size_t name = 0;  // where it begins in names_
  };
  std::string_view name_of(const Entry& entry) const {
    const Entry* const next = &entry + 1;
    const std::size_t end = next == entries_.data() + entries_.size() ? names_.size() : next->name;
    return std::string_view(names_).substr(entry.name, end - entry.name);
  }

  std::vector<Entry> entries_;  // by name
  std::string names_;
};

/// An archive in use. It stays whole for who has it.
struct Shard {
  std::shared_ptr<const ReadOnlyFile> file;
  std::shared_ptr<const MemberTable> members;
};

/// Header and content in one read; the header tells whether the archive is still what was indexed.
std::string read_member(const Shard& shard, const fs::path& archive, const std::string& name) {
  const MemberTable::Place* place = shard.members->find(name);
  if (place == nullptr) throw DataError(fmt::format("{}#{}: there is no such member", archive.string(), name));
  std::string bytes(kTarBlock + place->size, '\0');
  shard.file->read(place->offset - kTarBlock, bytes.data(), bytes.size());
  TarHeader header;
  std::memcpy(&header, bytes.data(), kTarBlock);
  if (!fits(header, place->size)) {
    throw DataError(fmt::format("{}: at byte {}: the header of member '{}' is damaged; pack the shard again", archive.string(),
                                place->offset - kTarBlock, name));
  }
  bytes.erase(0, kTarBlock);
  return bytes;
}

/// Descriptors that archives may hold: half of what the process has, which pictures, run folders and sockets share.
std::size_t most_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::clamp<std::size_t>(limit.rlim_cur / 2, 8, 4096);
}

/// Every archive that was used. Of those that are open, the one not used for longest is closed first; its table stays, and counts
/// as long as the archive has the same size and time.
class Shards {
 public:
  Shard get(const fs::path& archive) {
    const std::shared_ptr<Slot> slot = slot_of(archive);
    if (Shard shard = opened(*slot); shard.file) return shard;
    // One thread opens and indexes an archive while others wait for it, and only those that want this one.
    const std::lock_guard opening(slot->opening);
    Shard shard = opened(*slot);
    if (shard.file) return shard;
    shard.file = std::make_shared<const ReadOnlyFile>(archive);
    if (!slot->table || slot->size != shard.file->size() || slot->time != shard.file->time()) {
      slot->table = std::make_shared<const MemberTable>(members_of(archive, *shard.file));
      slot->size = shard.file->size();
      slot->time = shard.file->time();
    }
    shard.members = slot->table;
    keep_open(slot, shard);
    return shard;
  }

  void forget(const fs::path& archive) {
    const std::lock_guard lock(mutex_);
    const auto found = slots_.find(archive.string());
    if (found == slots_.end()) return;
    std::erase(open_, found->second);
    slots_.erase(found);
  }

 private:
  struct Slot {
    std::mutex opening;
    std::shared_ptr<const MemberTable> table;  // this and the archive's state then: of the one that opens
    std::uint64_t size = 0, time = 0;
    Shard shard;  // while it is open; this and what follows under the mutex of all
    std::uint64_t used = 0;
  };

  std::shared_ptr<Slot> slot_of(const fs::path& archive) {
    const std::lock_guard lock(mutex_);
    auto& slot = slots_[archive.string()];
    if (!slot) slot = std::make_shared<Slot>();
    return slot;
  }

  Shard opened(Slot& slot) {
    const std::lock_guard lock(mutex_);
    slot.used = ++clock_;
    return slot.shard;
  }

  void keep_open(const std::shared_ptr<Slot>& slot, const Shard& shard) {
    const std::lock_guard lock(mutex_);
    slot->shard = shard;
    open_.push_back(slot);
    for (const std::size_t most = most_open_files(); open_.size() > most;) {
      const auto oldest =
          std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) { return a->used < b->used; });
      (*oldest)->shard = {};
      open_.erase(oldest);
    }
  }

  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Slot>> slots_;
  std::vector<std::shared_ptr<Slot>> open_;
  std::uint64_t clock_ = 0;
};

Shards& shards() {
  static Shards all;
  return all;
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

std::vector<TarMember> shard_members(const fs::path& archive) { return members_of(archive, ReadOnlyFile(archive)); }

void write_shard_index(const fs::path& archive, const std::vector<TarMember>& members) {
  write_index(archive, ReadOnlyFile(archive), members);
  shards().forget(archive);
}

std::string read_file_or_member(const fs::path& path) {
  fs::path archive;
  std::string member;
  if (!split_member_path(path, archive, member)) return read_file(path);
  return read_member(shards().get(archive), archive, member);
}

FileState file_or_member_state(const fs::path& path) {
  fs::path archive;
  std::string name;
  if (split_member_path(path, archive, name)) {
    Shard shard = shards().get(archive);
    struct stat now {};
    if (::stat(archive.c_str(), &now) != 0 || static_cast<std::uint64_t>(now.st_size) != shard.file->size()) {
      shards().forget(archive);
      shard = shards().get(archive);
    }
    const MemberTable::Place* place = shard.members->find(name);
    return place == nullptr ? FileState{} : FileState{place->size, shard.file->time()};
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000ULL +
                                                          static_cast<std::uint64_t>(status.st_mtim.tv_nsec)};
}

}  // namespace emotion
