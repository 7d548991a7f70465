#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "emotion/data/fetch.h"

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

}  // namespace

bool is_public_address(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_public_v4(ntohl(v4.s_addr));
  std::array<std::uint8_t, 16> v6{};
  return ::inet_pton(AF_INET6, text.c_str(), v6.data()) == 1 && is_public_v6(v6);
}

}  // namespace emotion
