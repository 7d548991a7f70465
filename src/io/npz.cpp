#include "emotion/io/npz.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <zlib.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

// The parts of PKWARE's ZIP that numpy.savez writes: stored or deflated members, sizes from the central directory, ZIP64 extras.
// The .npy header is a Python dictionary literal with three keys; it is read as text.

namespace emotion {
namespace {

constexpr std::uint64_t kMaxMember = std::uint64_t{1} << 36;

[[noreturn]] void refuse(const std::string& where, const std::string& what) { throw WeightsError(where + ": " + what); }

/// Little-endian numbers at a place; every read is checked.
class Bytes {
 public:
  Bytes(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  std::uint64_t number(std::uint64_t at, int count) const {
    std::uint64_t value = 0;
    const std::string_view part = take(at, static_cast<std::uint64_t>(count));
    for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(part[static_cast<std::size_t>(i)]);
    return value;
  }
  std::string_view take(std::uint64_t at, std::uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at)
      refuse(where_, "truncated: it ends within the archive's directory or a member");
    return bytes_.substr(at, count);
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  const std::string& where_;
};

struct Member {
  std::string name;
  std::uint64_t method = 0, crc = 0, packed = 0, size = 0, header = 0;
};

/// ZIP64: sizes of 0xffffffff stand in an extra field, in this order.
void read_zip64(const Bytes& bytes, std::uint64_t at, std::uint64_t length, Member& member) {
  for (std::uint64_t end = at + length; at + 4 <= end;) {
    const std::uint64_t id = bytes.number(at, 2), size = bytes.number(at + 2, 2);
    at += 4;
    if (id == 1) {
      std::uint64_t field = at;
      for (std::uint64_t* value : {&member.size, &member.packed, &member.header}) {
        if (*value != 0xffffffff) continue;
        *value = bytes.number(field, 8);
        field += 8;
      }
    }
    at += size;
  }
}

std::vector<Member> directory(const Bytes& bytes, const std::string& where) {
  constexpr std::string_view kEnd("PK\5\6", 4);
  const std::uint64_t tail = std::min<std::uint64_t>(bytes.size(), 65557);
  const std::size_t found = bytes.take(bytes.size() - tail, tail).rfind(kEnd);
  if (found == std::string_view::npos)
    refuse(where, "no .npz: there is no directory of a ZIP archive at its end, or it is truncated");
  const std::uint64_t end = bytes.size() - tail + found;
  std::uint64_t count = bytes.number(end + 10, 2), at = bytes.number(end + 16, 4);
  if ((at == 0xffffffff || count == 0xffff) && end >= 20) {
    const std::uint64_t end64 = bytes.number(end - 20 + 8, 8);
    count = bytes.number(end64 + 32, 8);
    at = bytes.number(end64 + 48, 8);
  }
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (bytes.take(at, 4) != std::string_view("PK\1\2", 4)) refuse(where, "its ZIP directory is broken");
    Member member{.name = {},
                  .method = bytes.number(at + 10, 2),
                  .crc = bytes.number(at + 16, 4),
                  .packed = bytes.number(at + 20, 4),
                  .size = bytes.number(at + 24, 4),
                  .header = bytes.number(at + 42, 4)};
    const std::uint64_t name = bytes.number(at + 28, 2), extra = bytes.number(at + 30, 2), comment = bytes.number(at + 32, 2);
    member.name = std::string(bytes.take(at + 46, name));
    read_zip64(bytes, at + 46 + name, extra, member);
    at += 46 + name + extra + comment;
    members.push_back(std::move(member));
  }
  return members;
}

std::string inflate_member(std::string_view packed, std::uint64_t size, const std::string& where) {
  // Deflate never packs more than 1032 to 1: a size beyond it is a lie, found before memory is reserved.
  if (size > kMaxMember || size / 1032 > packed.size() + 1) refuse(where, "its size cannot be right");
  std::string text(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) refuse(where, "zlib cannot be started");
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
  if (status != Z_STREAM_END || out != size) refuse(where, "its compressed data is broken");
  return text;
}

std::string member_bytes(const Bytes& bytes, const Member& member, const std::string& where) {
  if (bytes.take(member.header, 4) != std::string_view("PK\3\4", 4)) refuse(where, "its ZIP header is broken");
  const std::uint64_t begin = member.header + 30 + bytes.number(member.header + 26, 2) + bytes.number(member.header + 28, 2);
  const std::string_view packed = bytes.take(begin, member.packed);
  std::string data;
  if (member.method == 8) {
    data = inflate_member(packed, member.size, where);
  } else if (member.method == 0 && member.packed == member.size) {
    data = std::string(packed);
  } else {
    refuse(where, fmt::format("packed by method {}; stored and deflated members are read", member.method));
  }
  if (crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) != member.crc) refuse(where, "its checksum is wrong");
  return data;
}

/// The value of a key in the header's dictionary, up to the comma or bracket that ends it.
std::string_view field(std::string_view header, std::string_view key, const std::string& where) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) refuse(where, fmt::format("its .npy header has no {}", key));
  std::string_view value = header.substr(at + key.size() + 3);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (value.empty()) refuse(where, "its .npy header is broken");
  const std::size_t end = value[0] == '(' ? value.find(')') : value[0] == '[' ? value.find(']') : value.find_first_of(",}");
  return value.substr(0, end == std::string_view::npos ? value.size() : end);
}

std::vector<std::int64_t> shape_of(std::string_view text, const std::string& where) {
  std::vector<std::int64_t> shape;
  if (text.empty() || text[0] != '(') refuse(where, "its .npy header has a broken shape");
  for (std::size_t i = 1; i < text.size();) {
    if (text[i] == ' ' || text[i] == ',') {
      ++i;
      continue;
    }
    std::int64_t value = 0;
    const std::size_t begin = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      if (value > (std::int64_t{1} << 48)) refuse(where, "its .npy header has a broken shape");
      value = 10 * value + (text[i] - '0');
    }
    if (i == begin) refuse(where, "its .npy header has a broken shape");
    shape.push_back(value);
  }
  return shape;
}

std::optional<at::ScalarType> type_of(std::string_view code) {
  static const std::map<std::string_view, at::ScalarType> types{{"f2", at::kHalf}, {"f4", at::kFloat}, {"f8", at::kDouble},
                                                                {"i1", at::kChar}, {"i2", at::kShort}, {"i4", at::kInt},
                                                                {"i8", at::kLong}, {"u1", at::kByte},  {"b1", at::kBool}};
  const auto found = types.find(code);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

at::Tensor parse_npy(std::string_view data, const std::string& where) {
  static_assert(std::endian::native == std::endian::little);
  const Bytes bytes(data, where);
  if (bytes.take(0, 6) != std::string_view("\x93NUMPY", 6)) refuse(where, "no .npy array");
  const int width = bytes.number(6, 1) >= 2 ? 4 : 2;
  const std::uint64_t length = bytes.number(8, width), begin = 8 + static_cast<std::uint64_t>(width) + length;
  const std::string_view header = bytes.take(8 + static_cast<std::uint64_t>(width), length);
  std::string_view descr = field(header, "descr", where);
  if (descr.size() < 4 || (descr[0] != '\'' && descr[0] != '"')) return {};  // records
  descr = descr.substr(1, descr.find_last_of("'\"") - 1);
  const bool swapped = descr[0] == '>';
  const auto type = type_of(descr.substr(descr[0] == '<' || descr[0] == '>' || descr[0] == '|' || descr[0] == '=' ? 1 : 0));
  if (!type) return {};
  std::vector<std::int64_t> shape = shape_of(field(header, "shape", where), where);
  const bool fortran = field(header, "fortran_order", where).starts_with("True");
  const std::uint64_t size = at::elementSize(*type), left = data.size() - begin;
  std::uint64_t count = 1;
  for (const std::int64_t side : shape) {
    if (side != 0 && count > left / static_cast<std::uint64_t>(side))
      refuse(where, "truncated: fewer bytes than its shape needs");
    count *= static_cast<std::uint64_t>(side);
  }
  if (count * size != left) refuse(where, fmt::format("{} bytes for {} numbers of {} bytes", left, count, size));
  if (fortran) std::reverse(shape.begin(), shape.end());
  at::Tensor array = at::empty(shape, *type);
  if (left > 0) std::memcpy(array.data_ptr(), data.data() + begin, left);
  if (swapped) {
    char* p = static_cast<char*>(array.data_ptr());
    for (std::uint64_t i = 0; i < count; ++i) std::reverse(p + i * size, p + (i + 1) * size);
  }
  if (!fortran) return array;
  std::vector<std::int64_t> order(shape.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(order.size() - 1 - i);
  return array.permute(order).contiguous();
}

NpzFile NpzFile::read(const std::filesystem::path& file) {
  const std::string where = file.string();
  const MappedFile mapped(file);
  const Bytes bytes(mapped.text(), where);
  NpzFile npz;
  for (const Member& member : directory(bytes, where)) {
    std::string name = member.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const std::string place = where + ": " + name;
    const at::Tensor array = parse_npy(member_bytes(bytes, member, place), place);
    if (array.defined()) {
      npz.arrays[name] = array;
    } else {
      npz.left_out.push_back(name);
    }
  }
  return npz;
}

}  // namespace emotion
