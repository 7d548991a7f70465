// The tar archive: 512-byte headers, each in front of its member's content, which is padded to 512 bytes; two empty blocks end
// it.
#include "emotion/io/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <ostream>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "tar_header.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxExtension = 1 << 20;  // bytes of a long name or of pax records

class TarScanner {
 public:
  explicit TarScanner(const fs::path& archive) : archive_(archive), file_(archive) {}

  std::vector<TarMember> scan() {
    while (at_ < file_.size()) {
      TarHeader header;
      if (file_.size() - at_ < kTarBlock) refuse("the archive ends in the middle of a header");
      file_.read(at_, &header, kTarBlock);
      if (header.is_empty()) return std::move(members_);
      if (!header.sum_is_right()) {
        refuse(at_ == 0 ? "not an uncompressed tar archive, or its first header is damaged"
                        : "damaged header (its sum is wrong)");
      }
      take(header);
    }
    // Some writers leave out the two empty blocks; a cut that falls between two members cannot be told from that.
    return std::move(members_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}: at byte {}: {}", archive_.string(), at_, what));
  }

  void take(const TarHeader& header) {
    std::uint64_t size = 0;
    if (!header.size(size)) refuse("damaged header (its size is no number)");
    const bool extension = header.type == 'L' || header.type == 'x' || header.type == 'g' || header.type == 'K';
    if (!extension && pax_size_) size = *pax_size_;
    const std::uint64_t content = at_ + kTarBlock;
    if (size > file_.size() - content) {
      refuse(fmt::format("member '{}' of {} bytes goes beyond the archive's end at {}", header.full_name(), size, file_.size()));
    }
    switch (header.type) {
      case 'L': long_name_ = extension_text(content, size); break;
      case 'x': read_pax(extension_text(content, size)); break;
      case 'g':  // records for all members: none that matter here
      case 'K': break;
      case '0':
      case '\0':
      case '7': add(pax_name_.value_or(long_name_.value_or(header.full_name())), content, size); break;
      case 'S': refuse("a sparse member; pack the files anew without sparse holes");
      default: forget();  // a folder, a link, a device
    }
    at_ = content + (size + kTarBlock - 1) / kTarBlock * kTarBlock;
  }

  std::string extension_text(std::uint64_t content, std::uint64_t size) const {
    if (size > kMaxExtension) refuse(fmt::format("a name or record of {} bytes is refused", size));
    std::string text(size, '\0');
    file_.read(content, text.data(), size);
    return text;
  }

  /// Records `LENGTH KEY=VALUE\n`.
  void read_pax(std::string_view text) {
    while (!text.empty() && text[0] != '\0') {
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
      const auto digits = static_cast<std::size_t>(end - text.data());
      if (error != std::errc() || length > text.size() || length < digits + 2 || text[digits] != ' ' || text[length - 1] != '\n')
        refuse("damaged pax record");
      const std::string_view record = text.substr(digits + 1, length - digits - 2);
      const std::size_t equals = record.find('=');
      if (equals == std::string_view::npos) refuse("damaged pax record");
      const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key == "path") pax_name_ = value;
      if (key == "size") {
        std::uint64_t size = 0;
        const auto parsed = std::from_chars(value.data(), value.data() + value.size(), size);
        if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) refuse("damaged pax record");
        pax_size_ = size;
      }
      if (key.starts_with("GNU.sparse")) refuse("a sparse member; pack the files anew without sparse holes");
      text.remove_prefix(length);
    }
  }

  void add(std::string name, std::uint64_t content, std::uint64_t size) {
    name.resize(std::min(name.size(), name.find('\0')));
    while (name.starts_with("./")) name.erase(0, 2);
    try {
      path_below(".", name);
    } catch (const DataError&) {
      refuse(fmt::format("member name '{}' is empty, absolute or leaves the archive", name));
    }
    if (!names_.insert(name).second) refuse(fmt::format("member '{}' stands twice", name));
    members_.push_back({std::move(name), content, size});
    forget();
  }

  void forget() {
    pax_name_.reset();
    pax_size_.reset();
    long_name_.reset();
  }

  fs::path archive_;
  ReadOnlyFile file_;
  std::uint64_t at_ = 0;
  std::optional<std::string> pax_name_, long_name_;
  std::optional<std::uint64_t> pax_size_;
  std::set<std::string> names_;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> read_tar_index(const fs::path& archive) { return TarScanner(archive).scan(); }

struct TarWriter::Data {
  explicit Data(const fs::path& archive) : file(archive) {}

  void write(const char* bytes, std::size_t count) {
    file.out().write(bytes, static_cast<std::streamsize>(count));
    file.check();
    at += count;
  }
  void pad(std::uint64_t to) {
    static constexpr std::array<char, kTarBlock> kZeros{};
    while (at % to != 0) write(kZeros.data(), std::min<std::uint64_t>(kTarBlock, to - at % to));
  }

  AtomicFile file;
  std::uint64_t at = 0;
  std::vector<TarMember> members;
};

TarWriter::TarWriter(const fs::path& archive) : data_(std::make_unique<Data>(archive)) {}
TarWriter::~TarWriter() = default;

void TarWriter::add(std::string_view name, std::string_view content) {
  if (name.size() > 100 || name.empty()) throw ConfigError(fmt::format("'{}' cannot name a member of a tar archive", name));
  if (content.size() >= std::uint64_t{1} << 33) throw ConfigError(fmt::format("'{}' is too large for a tar archive", name));
  const TarHeader header = TarHeader::make(name, content.size());
  data_->write(reinterpret_cast<const char*>(&header), kTarBlock);
  data_->members.push_back({std::string(name), data_->at, content.size()});
  data_->write(content.data(), content.size());
  data_->pad(kTarBlock);
}

void TarWriter::close() {
  static constexpr std::array<char, 2 * kTarBlock> kEnd{};
  data_->write(kEnd.data(), kEnd.size());
  data_->pad(20 * kTarBlock);  // tar's record
  data_->file.commit();
}

const std::vector<TarMember>& TarWriter::members() const { return data_->members; }

}  // namespace emotion
