#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace emotion {

/// What the server says to one request.
struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string headers;                  ///< further lines, each ended by \r\n
  std::size_t cut = std::string::npos;  ///< bytes of the body that are sent before the connection is closed
  int drip_ms = 0;                      ///< pause after each byte of the body
  std::string late{};                   ///< bytes beyond Content-Length, sent 50 ms after the body
};

/// An HTTP/1.1 server on 127.0.0.1 for tests: keeps connections, a thread each; answers from a function of the path and of how
/// often that path was asked for (from 1).
class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const std::string& path, int request)>;

  explicit HttpServer(Handler handler)
      : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no port for the test server");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~HttpServer() {
    stop_ = true;
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  int port() const { return port_; }
  /// How often a path was asked for.
  int requests(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = requests_.find(path);
    return found == requests_.end() ? 0 : found->second;
  }
  int most_connections() const { return most_; }

 private:
  void accept_all() {
    while (!stop_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection >= 0) threads_.emplace_back([this, connection] { serve(connection); });
    }
  }

  void serve(int connection) {
    const int open = ++open_;
    for (int most = most_; open > most && !most_.compare_exchange_weak(most, open);) {
    }
    std::string received;
    while (read_request(connection, received) && answer(connection, received)) {
    }
    --open_;
    ::close(connection);
  }

  /// Until the empty line that ends a request's head. False when the client is gone or the server stops.
  bool read_request(int connection, std::string& received) {
    char bytes[4096];
    while (received.find("\r\n\r\n") == std::string::npos) {
      pollfd waiting{connection, POLLIN, 0};
      if (stop_) return false;
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const ssize_t count = ::recv(connection, bytes, sizeof bytes, 0);
      if (count <= 0) return false;
      received.append(bytes, static_cast<std::size_t>(count));
    }
    return true;
  }

  bool answer(int connection, std::string& received) {
    const std::size_t begin = received.find(' ') + 1;
    const std::string path = received.substr(begin, received.find(' ', begin) - begin);
    received.erase(0, received.find("\r\n\r\n") + 4);
    int count = 0;
    {
      const std::lock_guard lock(mutex_);
      count = ++requests_[path];
    }
    const HttpAnswer answer = handler_(path, count);
    const std::string head = "HTTP/1.1 " + std::to_string(answer.status) +
                             " X\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n" + answer.headers + "\r\n";
    if (answer.drip_ms == 0) {
      const bool sent = send(connection, head + answer.body.substr(0, answer.cut));
      if (!answer.late.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return sent && send(connection, answer.late) && answer.cut == std::string::npos;
    }
    if (!send(connection, head)) return false;
    for (const char byte : answer.body) {
      if (stop_ || !send(connection, std::string(1, byte))) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(answer.drip_ms));
    }
    return true;
  }

  static bool send(int connection, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  Handler handler_;
  int listener_, port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> open_ = 0, most_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, int> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace emotion
