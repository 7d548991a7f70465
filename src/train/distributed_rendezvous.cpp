#include "distributed_rendezvous.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include <c10/util/Logging.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "emotion/version.h"

namespace emotion {
namespace {

using Clock = std::chrono::steady_clock;
using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

void sleep_or_stop() {
  if (stop_requested()) throw Interrupted("interrupted while waiting for the other processes");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Addresses resolve(const Launch& launch, int type) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = type;
  if (const int error = ::getaddrinfo(launch.address.c_str(), std::to_string(launch.port).c_str(), &hints, &found); error != 0) {
    throw ConfigError(fmt::format("MASTER_ADDR '{}' cannot be resolved: {}; give rank 0's host name or address", launch.address,
                                  ::gai_strerror(error)));
  }
  return {found, &::freeaddrinfo};
}

class Socket {
 public:
  explicit Socket(const addrinfo& address)
      : descriptor_(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol)) {}
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Both ends of the way to the rendezvous, as numbers.
struct Route {
  std::string theirs, mine;
};

std::string numeric(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  const int error = ::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? text.data() : "";
}

/// The first way there is to the rendezvous, by datagrams or by streams; none if every address of it fails.
std::optional<Route> route_to(const Launch& launch, int type) {
  const Addresses found = resolve(launch, type);
  for (const addrinfo* a = found.get(); a; a = a->ai_next) {
    const Socket socket(*a);
    if (socket.get() < 0) continue;
    // Sending's time limit holds for connecting too.
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_storage mine{};
    socklen_t size = sizeof(mine);
    // A stream to a free port of this host can, by the port it gets, meet itself.
    if (::connect(socket.get(), a->ai_addr, a->ai_addrlen) == 0 &&
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&mine), &size) == 0 &&
        (type != SOCK_STREAM || size != a->ai_addrlen || std::memcmp(&mine, a->ai_addr, size) != 0))
      return Route{.theirs = numeric(a->ai_addr, a->ai_addrlen), .mine = numeric(reinterpret_cast<sockaddr*>(&mine), size)};
  }
  return std::nullopt;
}

/// For rank 0, which opens the rendezvous. No packet is sent: connecting a datagram socket only chooses the route.
Route route_to_own(const Launch& launch) {
  if (auto route = route_to(launch, SOCK_DGRAM)) return *std::move(route);
  throw RunError(fmt::format("MASTER_ADDR '{}': no way to that host: {}", launch.address, std::strerror(errno)));
}

/// For the others: waits until the rendezvous answers.
Route await_route(const Launch& launch, double timeout) {
  for (const auto begin = Clock::now();; sleep_or_stop()) {
    if (auto route = route_to(launch, SOCK_STREAM)) return *std::move(route);
    if (seconds_since(begin) > timeout)
      throw RunError(fmt::format("{}:{} does not answer for {:.0f} s; is rank 0 running, and can this host reach it?",
                                 launch.address, launch.port, timeout));
  }
}

std::string why_not_bound(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  addrinfo any{};
  any.ai_family = AF_INET;
  any.ai_socktype = SOCK_STREAM;
  const Socket socket(any);
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return "";
  return std::strerror(errno);
}

c10::intrusive_ptr<c10d::TCPStore> connect(const Launch& launch, const std::string& address, bool server, double timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(launch.port);
  options.isServer = server;
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  try {
    return c10::make_intrusive<c10d::TCPStore>(address, options);
  } catch (const std::exception& error) {
    const std::string reason = server ? why_not_bound(launch.port) : "";
    if (!reason.empty())
      throw ConfigError(
          fmt::format("MASTER_PORT {}: {}; set MASTER_PORT to a free one, the same for all ranks", launch.port, reason));
    throw ConfigError(fmt::format("{}:{} is no rendezvous of this program: {}", launch.address, launch.port,
                                  std::string(error.what()).substr(0, std::string(error.what()).find('\n'))));
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// What every process says of itself first.
std::string greeting(const Launch& launch, const std::vector<std::pair<std::string, std::string>>& same) {
  nlohmann::ordered_json values{{"number of processes", std::to_string(launch.world_size)},
                                {"emotion's version", version()},
                                {"LibTorch's version", TORCH_VERSION}};
  for (const auto& [name, value] : same) values[name] = value;
  return nlohmann::ordered_json{{"host", host_name()}, {"process", ::getpid()}, {"same", values}}.dump();
}

/// Empty if two greetings fit together.
std::string difference(const nlohmann::ordered_json& first, const nlohmann::ordered_json& other, int rank) {
  std::vector<std::string> all;
  for (const auto& [name, value] : first.at("same").items()) {
    const auto found = other.at("same").find(name);
    const std::string theirs = found == other.at("same").end() ? "not there" : found->get<std::string>();
    if (theirs != value.get<std::string>())
      all.push_back(fmt::format("{} is {} on rank 0 ({}), {} on rank {} ({})", name, value.get<std::string>(),
                                first.at("host").get<std::string>(), theirs, rank, other.at("host").get<std::string>()));
  }
  return all.empty() ? "" : fmt::format("the processes do not fit together: {}", fmt::join(all, "; "));
}

class RollCall {
 public:
  RollCall(c10::intrusive_ptr<c10d::Store> store, const Launch& launch, double timeout)
      : store_(std::move(store)), launch_(launch), timeout_(timeout) {}

  std::vector<std::string> run(const std::string& mine) {
    if (store_->add("rank/" + std::to_string(launch_.rank), 1) > 1) {
      throw ConfigError(
          fmt::format("RANK {} is there twice at {}:{}; each process needs a rank of its own, and two runs two ports",
                      launch_.rank, launch_.address, launch_.port));
    }
    store_->set(key(launch_.rank), std::vector<std::uint8_t>(mine.begin(), mine.end()));
    std::vector<std::string> names;
    const auto first = greeting_of(0);
    for (int rank = 0; rank < launch_.world_size; ++rank) {
      // Rank 0 and this one are compared at once: with another number of processes some would never come.
      if (rank == 1 && launch_.rank > 0) check(difference(first, nlohmann::ordered_json::parse(mine), launch_.rank));
      const auto other = greeting_of(rank);
      check(difference(first, other, rank));
      names.push_back(
          fmt::format("rank {} ({}, process {})", rank, other.at("host").get<std::string>(), other.at("process").get<int>()));
    }
    store_->add("met", 1);
    return names;
  }

 private:
  static std::string key(int rank) { return "greeting/" + std::to_string(rank); }

  nlohmann::ordered_json greeting_of(int rank) {
    while (!store_->check({key(rank)})) {
      if (seconds_since(begin_) > timeout_)
        throw RunError(
            fmt::format("{} did not come to {}:{} within {:.0f} s", missing(), launch_.address, launch_.port, timeout_));
      sleep_or_stop();
    }
    const auto bytes = store_->get(key(rank));
    return nlohmann::ordered_json::parse(bytes.begin(), bytes.end());
  }

  std::string missing() {
    std::vector<std::string> all;
    for (int rank = 0; rank < launch_.world_size; ++rank) {
      if (!store_->check({key(rank)})) all.push_back(std::to_string(rank));
    }
    return fmt::format("rank {}{}", fmt::join(all, ", "), all.size() > 1 ? "" : fmt::format(" of {}", launch_.world_size));
  }

  void check(const std::string& found) {
    if (found.empty()) return;
    store_->add("met", 1);
    // The one that holds the store stays until the others have read.
    const auto begin = Clock::now();
    while (launch_.rank == 0 && store_->add("met", 0) < 2 && seconds_since(begin) < 5)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    throw ConfigError(found);
  }

  c10::intrusive_ptr<c10d::Store> store_;
  const Launch& launch_;
  double timeout_;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace

void quiet_network() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  ::__nss_configure_lookup("hosts", "files");
}

Rendezvous meet(const Launch& launch, const std::vector<std::pair<std::string, std::string>>& same, double timeout) {
  const bool server = launch.rank == 0 && !launch.store_elsewhere;
  const Route route = server ? route_to_own(launch) : await_route(launch, timeout);
  quiet_network();  // all addresses are numbers by now
  if (launch.rank == 0) log_info("waiting for {} processes at {}:{}", launch.world_size, launch.address, launch.port);
  const std::string prefix = "emotion." + launch.attempt;
  const auto store = connect(launch, route.theirs, server, timeout), watch = connect(launch, route.theirs, false, timeout);
  Rendezvous all;
  all.local_address = route.mine;
  all.store = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
  all.watch = c10::make_intrusive<c10d::PrefixStore>(prefix, watch);
  all.names = RollCall(all.store, launch, timeout).run(greeting(launch, same));
  return all;
}

}  // namespace emotion
