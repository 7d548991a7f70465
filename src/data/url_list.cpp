#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/data/fetch.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"

namespace emotion {
namespace {

struct Block {
  std::uint32_t address;
  int bits;
};

/// IANA's special-purpose IPv4 blocks.
bool is_public_v4(std::uint32_t ip) {
  static constexpr std::array<Block, 15> kSpecial{{{0x00000000, 8},
                                                   {0x0a000000, 8},    // 10.0.0.0
                                                   {0x64400000, 10},   // 100.64.0.0, shared
                                                   {0x7f000000, 8},    // loopback
                                                   {0xa9fe0000, 16},   // link-local
                                                   {0xac100000, 12},   // 172.16.0.0
                                                   {0xc0000000, 24},   // 192.0.0.0
                                                   {0xc0000200, 24},   // documentation
                                                   {0xc0586300, 24},   // 6to4 relays
                                                   {0xc0a80000, 16},   // 192.168.0.0
                                                   {0xc6120000, 15},   // benchmarks
                                                   {0xc6336400, 24},   // documentation
                                                   {0xcb007100, 24},   // documentation
                                                   {0xe0000000, 4},    // multicast
                                                   {0xf0000000, 4}}};  // reserved, broadcast
  return std::none_of(kSpecial.begin(), kSpecial.end(),
                      [ip](const Block& block) { return (ip ^ block.address) >> (32 - block.bits) == 0; });
}

bool is_public_v6(const std::array<std::uint8_t, 16>& ip) {
  const auto v4_at = [&](std::size_t at) {
    return is_public_v4(std::uint32_t{ip[at]} << 24 | std::uint32_t{ip[at + 1]} << 16 | std::uint32_t{ip[at + 2]} << 8 |
                        ip[at + 3]);
  };
  const bool ten_zeros = std::all_of(ip.begin(), ip.begin() + 10, [](auto byte) { return byte == 0; });
  if (ten_zeros) return ip[10] == 0xff && ip[11] == 0xff && v4_at(12);     // mapped; ::, ::1 and the rest of ::/80 are special
  if (ip[0] == 0x00 && ip[1] == 0x64 && ip[2] == 0xff && ip[3] == 0x9b) {  // NAT64; 64:ff9b:1::/48 is for private use
    return std::all_of(ip.begin() + 4, ip.begin() + 12, [](auto byte) { return byte == 0; }) && v4_at(12);
  }
  if (ip[0] == 0x20 && ip[1] == 0x02) return v4_at(2);                                 // 6to4
  if (ip[0] == 0x20 && ip[1] == 0x01 && (ip[2] & 0xfe) == 0) return false;             // 2001::/23, Teredo
  if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0d && ip[3] == 0xb8) return false;  // documentation
  return ip[0] >> 5 == 1;  // 2000::/3: what is given out; fc00::/7, fe80::/10, ff00::/8 and the unassigned are not
}

/// Lists made by hand have them, and libcurl takes no URL with one.
std::string encode_blanks(std::string_view url) {
  std::string encoded;
  url.remove_prefix(std::min(url.find_first_not_of(' '), url.size()));
  for (const char c : url) encoded += c == ' ' ? std::string("%20") : std::string(1, c);
  return encoded;
}

/// A file by which a data set is what it is, however deep its folder: what a list may not put a picture in the place of.
bool is_own_file(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 = 0
  if (name == "dataset.yaml" || name.ends_with(".jsonl") || name.ends_with(".index")) return true;
  return name == path && name.ends_with(".tsv");
}

}  // namespace

bool is_public_address(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_public_v4(ntohl(v4.s_addr));
  std::array<std::uint8_t, 16> v6{};
  return ::inet_pton(AF_INET6, text.c_str(), v6.data()) == 1 && is_public_v6(v6);
}

std::vector<UrlEntry> read_url_list(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<UrlEntry> list;
  std::unordered_map<std::string, std::pair<std::uint64_t, std::size_t>> seen;  // path -> line, place in the list
  std::uint64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    std::string_view line(text.data() + begin, end - begin);
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
    ++number;
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto refuse = [&](const std::string& what) { throw DataError(fmt::format("{}:{}: {}", file.string(), number, what)); };
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab + 1 == line.size()) refuse("`relative path<TAB>url` is wanted");
    UrlEntry entry{std::string(line.substr(0, tab)), encode_blanks(line.substr(tab + 1))};
    if (entry.url.find('\t') != std::string::npos) refuse("a second tab; `relative path<TAB>url` is wanted");
    try {
      path_below(".", entry.path);
    } catch (const DataError& error) {
      refuse(error.what());
    }
    const std::string path = std::filesystem::path(entry.path).lexically_normal().generic_string();  // each file has one
    if (path.ends_with('/') || path == ".") refuse(fmt::format("'{}' names a folder", entry.path));
    if (path == "failures.tsv") refuse(fmt::format("'{}' is where fetch lists what failed; give it another name", entry.path));
    if (is_own_file(path)) refuse(fmt::format("'{}' is a name of a data set's own files; give it another name", entry.path));
    entry.path = path;
    const auto [first, fresh] = seen.emplace(entry.path, std::pair(number, list.size()));
    if (fresh) {
      list.push_back(std::move(entry));
    } else if (list[first->second.second].url != entry.url) {
      refuse(fmt::format("'{}' has another URL in line {}", entry.path, first->second.first));
    }
  }
  return list;
}

}  // namespace emotion
