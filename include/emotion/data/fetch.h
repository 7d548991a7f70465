#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// One picture to fetch.
struct UrlEntry {
  std::string path;  ///< where it goes, relative to the folder
  std::string url;
};

/// Reads `relative path<TAB>url` lines (LF, CRLF or bare CR; empty ones are ignored). Paths become normal (`./a` is `a`), blanks
/// within URLs become %20.
/// @throws DataError with file:line for a line without a tab, a path that leaves the folder, is failures.tsv or has two URLs
std::vector<UrlEntry> read_url_list(const std::filesystem::path& file);

/// False for loopback, private, link-local, shared, multicast, reserved and documentation addresses of IPv4 and IPv6, also where
/// IPv6 wraps an IPv4 one (mapped, NAT64, 6to4), and for text that is no address.
bool is_public_address(std::string_view address);

struct FetchConfig {
  std::filesystem::path out;  ///< folder the paths are relative to
  int parallel = 32;          ///< transfers at once
  int per_host = 4;           ///< of them from one host
  double timeout = 60;        ///< seconds a picture may take
  double connect_timeout = 10;
  int stall = 15;                         ///< seconds below 200 bytes a second end a transfer
  std::uint64_t max_bytes = 32ULL << 20;  ///< larger pictures are refused
  int redirects = 5;                      ///< followed at most
  int retries = 4;                        ///< of what may pass: 429, 5xx, time-outs, cut connections
  double first_wait = 1;                  ///< seconds before the first retry, doubled for each further one
  double longest_wait = 120;              ///< seconds; a host whose Retry-After is beyond is asked nothing more in this run
  bool allow_private = false;             ///< addresses of the own machine and of private networks
  bool retry_failed = false;              ///< try again what failed for good in an earlier run
  int workers = 0;                        ///< threads that decode; 0 = one per core
  std::function<bool(std::string_view address)> is_public = is_public_address;  ///< what is not is private
};

struct FetchSummary {
  std::uint64_t there = 0;     ///< before this run
  std::uint64_t fetched = 0;   ///< by it
  std::uint64_t failed = 0;    ///< in it, each in failures.tsv
  std::uint64_t given_up = 0;  ///< failed for good in an earlier run and not tried
};

/// Fetches pictures over HTTP and HTTPS into a folder.
///
/// A picture is written whole or not at all, and only after it has been decoded; one that is there (by its first bytes; it is
/// decoded before it is copied to another path of its URL) is never fetched again, one URL with several paths is fetched once.
/// OUT/failures.tsv has a line `path<TAB>url<TAB>final|passing<TAB>reason` for each that is missing; a later run tries the
/// passing ones again. A name that cannot be written fails alone; a disk that is full or cannot be written ends the run. A host
/// that says 429 or 503 is left alone for as long as its Retry-After says; beyond longest_wait its other pictures fail with the
/// same reason, unasked. So do those of a host that is not reached (no such name, no connection) as often in a row as a picture
/// is tried, once for all attempts that go on at the same time. The log tells a host's first failure that may pass. Only http and
/// https are followed, also on redirects; the address of every connection is checked when it is opened, so that no name, redirect
/// or changed DNS answer leads to a private one. Proxies of the environment are not used.
/// @throws ConfigError for absurd values and where another fetch is at work in the folder, RunError (disk), Interrupted with
/// everything recorded
FetchSummary fetch_pictures(const std::vector<UrlEntry>& list, const FetchConfig& config);

}  // namespace emotion
