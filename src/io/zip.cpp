#include "zip.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "emotion/error.h"

namespace emotion {
namespace {

constexpr std::uint64_t kMost32 = 0xffffffff;
constexpr std::uint64_t kLocalHeader = 30, kDirectoryHeader = 46, kEnd = 22, kEnd64Locator = 20, kEnd64 = 56;
// Arrays that hold anything pack to a half, those with many zeros to a tenth. What packs better may be large no more.
constexpr std::uint64_t kMostRatio = 100, kAlwaysUnpacked = std::uint64_t{64} << 20;

bool sum_is_right(std::string_view data, std::uint64_t crc) {
  return crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) == crc;
}

/// Nothing but the whole stream of exactly `text.size()` bytes is right.
bool inflate_whole(std::string_view packed, std::string& text) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  std::size_t in = 0, out = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    constexpr std::size_t kPiece = std::size_t{1} << 30;
    const std::size_t give = std::min(kPiece, packed.size() - in), room = std::min(kPiece, text.size() - out);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + in));
    stream.avail_in = static_cast<uInt>(give);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + out);
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t used = give - stream.avail_in, made = room - stream.avail_out;
    in += used;
    out += made;
    if (status == Z_OK && used == 0 && made == 0) break;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && out == text.size();
}

}  // namespace

ZipArchive::ZipArchive(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {
  read_directory();
  check_places();
}

void ZipArchive::refuse(const std::string& what) const { throw WeightsError(fmt::format("{}: {}", where_, what)); }

void ZipArchive::refuse(const ZipMember& member, const std::string& what) const {
  refuse(fmt::format("{}: {}", member.name.substr(0, 200), what));
}

std::string_view ZipArchive::take(std::uint64_t at, std::uint64_t count) const {
  if (at > bytes_.size() || count > bytes_.size() - at)
    refuse("truncated, or damaged: its ZIP directory points behind the file's end");
  return bytes_.substr(at, count);
}

std::uint64_t ZipArchive::number(std::uint64_t at, int count) const {
  std::uint64_t value = 0;
  const std::string_view part = take(at, static_cast<std::uint64_t>(count));
  for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(part[static_cast<std::size_t>(i)]);
  return value;
}

/// Sizes of 0xffffffff stand in an extra field, in this order.
void ZipArchive::read_zip64(std::uint64_t at, std::uint64_t length, ZipMember& member) const {
  for (const std::uint64_t end = at + length; at + 4 <= end;) {
    const std::uint64_t id = number(at, 2), size = number(at + 2, 2);
    at += 4;
    if (id == 1) {
      std::uint64_t field = at;
      for (std::uint64_t* value : {&member.size, &member.packed, &member.header}) {
        if (*value != kMost32) continue;
        *value = number(field, 8);
        field += 8;
      }
    }
    at += size;
  }
}

void ZipArchive::read_directory() {
  const std::uint64_t tail = std::min<std::uint64_t>(bytes_.size(), kEnd + 0xffff);  // a comment may follow
  const std::size_t found = bytes_.substr(bytes_.size() - tail).rfind(std::string_view("PK\5\6", 4));
  if (found == std::string_view::npos) refuse("truncated: there is no directory of a ZIP archive at its end");
  const std::uint64_t end = bytes_.size() - tail + found;
  std::uint64_t count = number(end + 10, 2), at = number(end + 16, 4);
  if ((at == kMost32 || count == 0xffff) && end >= kEnd64Locator) {
    const std::uint64_t end64 = number(end - kEnd64Locator + 8, 8);
    if (take(end64, kEnd64).substr(0, 4) != std::string_view("PK\6\6", 4)) refuse("its ZIP directory is damaged");
    count = number(end64 + 32, 8);
    at = number(end64 + 48, 8);
  }
  if (count > bytes_.size() / kDirectoryHeader)
    refuse(fmt::format("its ZIP directory is damaged: {} members in {} bytes", count, bytes_.size()));
  std::unordered_set<std::string_view> names;
  members_.reserve(count);  // the set keeps views of the names
  for (std::uint64_t i = 0; i < count; ++i) {
    if (take(at, kDirectoryHeader).substr(0, 4) != std::string_view("PK\1\2", 4)) refuse("its ZIP directory is damaged");
    ZipMember member{.name = {},
                     .method = number(at + 10, 2),
                     .crc = number(at + 16, 4),
                     .packed = number(at + 20, 4),
                     .size = number(at + 24, 4),
                     .header = number(at + 42, 4)};
    const std::uint64_t name = number(at + 28, 2), extra = number(at + 30, 2), comment = number(at + 32, 2);
    member.name = std::string(take(at + kDirectoryHeader, name));
    if ((number(at + 8, 2) & 1) != 0) refuse(member, "encrypted");
    read_zip64(at + kDirectoryHeader + name, extra, member);
    at += kDirectoryHeader + name + extra + comment;
    members_.push_back(std::move(member));
    if (!names.insert(members_.back().name).second) refuse(members_.back(), "stands twice in its ZIP directory");
  }
}

/// Archives whose members share their bytes unpack to far more than they hold.
void ZipArchive::check_places() const {
  std::vector<const ZipMember*> order;
  for (const auto& member : members_) order.push_back(&member);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->header < b->header; });
  std::uint64_t free = 0;
  for (const ZipMember* member : order) {
    if (member->header < free) refuse(*member, "refused: it shares its bytes with another member");
    const std::uint64_t left = bytes_.size() - std::min<std::uint64_t>(member->header, bytes_.size());
    if (left < kLocalHeader || member->packed > left - kLocalHeader)
      refuse(*member, fmt::format("truncated: {} bytes at byte {} of {}", member->packed, member->header, bytes_.size()));
    if (member->method == 0 && member->size != member->packed)
      refuse(*member, fmt::format("refused: stored, and {} bytes are said to be {}", member->packed, member->size));
    free = member->header + kLocalHeader + member->packed;
  }
}

const ZipMember* ZipArchive::find(std::string_view name) const {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const auto& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::string_view ZipArchive::packed(const ZipMember& member) const {
  if (take(member.header, 4) != std::string_view("PK\3\4", 4)) refuse(member, "its ZIP header is damaged");
  return take(member.header + kLocalHeader + number(member.header + 26, 2) + number(member.header + 28, 2), member.packed);
}

std::string_view ZipArchive::stored(const ZipMember& member) const {
  if (member.method != 0) refuse(member, "refused: it is compressed, and only stored members belong here");
  const std::string_view data = packed(member);
  if (!sum_is_right(data, member.crc)) refuse(member, "damaged: its checksum is wrong");
  return data;
}

std::string ZipArchive::unpack(const ZipMember& member) const {
  if (member.method == 0) return std::string(stored(member));
  if (member.method != 8) refuse(member, fmt::format("packed by method {}; stored and deflated members are read", member.method));
  if (member.size > kAlwaysUnpacked && member.size / kMostRatio > member.packed)
    refuse(member, fmt::format("refused: {} bytes would unpack to {}", member.packed, member.size));
  std::string text(member.size, '\0');
  if (!inflate_whole(packed(member), text)) refuse(member, "damaged: its compressed data is broken");
  if (!sum_is_right(text, member.crc)) refuse(member, "damaged: its checksum is wrong");
  return text;
}

}  // namespace emotion
