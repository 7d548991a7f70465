#include "download.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kErrorBody = 256 << 10;  // bytes of an error page read before the connection is given up

Clock::duration seconds(double count) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
}

struct Host;

/// A URL that is to be asked for.
struct Waiting {
  std::size_t job = 0;
  const std::string* url = nullptr;
  int attempts = 0;  // so far
};

/// One URL on its way.
struct Transfer {
  Waiting what;  // this attempt counted
  Host* host = nullptr;
  const FetchConfig* config = nullptr;
  CURL* easy = nullptr;
  std::string body;
  std::uint64_t skipped = 0;  // bytes of an error page
  std::string refusal;        // why we ended it ourselves
  bool met_private = false;
  std::array<char, CURL_ERROR_SIZE> error{};
};

/// What a server's politeness asks for.
struct Host {
  std::string name;
  std::deque<Waiting> waiting;
  int active = 0;
  Clock::time_point not_before{};
  int unreached = 0;          ///< attempts in a row that found no name or opened no connection
  bool failure_told = false;  ///< that it fails is in the log
  std::string given_up;       ///< why nothing more is asked of it in this run; empty = it is asked
};

/// How long a host is left alone after a failure.
struct Pause {
  double seconds = 0;
  bool asked = false;  ///< by the host's Retry-After
};

/// Opens a socket unless its address is private. libcurl asks here for every connection, with the address it goes to.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address->family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address->addr)->sin_addr, text.data(), text.size());
  } else if (address->family == AF_INET6) {
    // address->addr is declared as a sockaddr; what it holds is addrlen bytes long.
    ::inet_ntop(AF_INET6, reinterpret_cast<const char*>(&address->addr) + offsetof(sockaddr_in6, sin6_addr), text.data(),
                text.size());
  }
  if (!transfer.config->allow_private && !transfer.config->is_public(text.data())) {
    transfer.met_private = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool may_be_picture(std::string_view bytes) {
  for (const std::string_view magic :
       {std::string_view("\xff\xd8\xff"), std::string_view("\x89PNG"), std::string_view("RIFF"), std::string_view("GIF8"),
        std::string_view("BM"), std::string_view("II*\0", 4), std::string_view("MM\0*", 4)}) {
    if (bytes.starts_with(magic.substr(0, bytes.size()))) return true;
  }
  return false;
}

/// `; begins with '<!DOCTYPE html'`
std::string beginning(std::string_view bytes) {
  std::string shown;
  for (const char c : bytes.substr(0, 24)) shown += c >= ' ' && c < 0x7f ? c : '.';
  return fmt::format("; begins with '{}'", shown);
}

std::string content_type(CURL* easy) {
  const char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  return type == nullptr ? "" : fmt::format(" but {}", std::string(type).substr(0, 60));
}

std::size_t take_bytes(char* bytes, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status >= 300) {
    transfer.skipped += count;
    return transfer.skipped > kErrorBody ? 0 : count;
  }
  transfer.body.append(bytes, count);
  if (!may_be_picture(transfer.body)) {
    transfer.refusal = "not a picture" + content_type(transfer.easy) + beginning(transfer.body);
    return 0;
  }
  if (transfer.body.size() > transfer.config->max_bytes) {
    transfer.refusal = fmt::format("larger than {} bytes", transfer.config->max_bytes);
    return 0;
  }
  return count;
}

/// Host and port of an http(s) URL; empty with a reason for others.
std::string host_of(const std::string& url, std::string& reason) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    std::string copy;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) copy = text;
    curl_free(text);
    return copy;
  };
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    reason = "not a URL";
    return {};
  }
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    reason = scheme + " is not fetched, only http and https are";
    return {};
  }
  return part(CURLUPART_HOST) + ":" + part(CURLUPART_PORT);
}

}  // namespace

struct Downloader::Data {
  FetchConfig config;
  CURLM* multi = nullptr;
  std::map<std::string, Host> hosts;
  std::vector<Host*> order;  // hosts with something waiting are asked in turn
  std::size_t turn = 0;
  std::vector<CURL*> spare;
  std::map<CURL*, std::unique_ptr<Transfer>> active;
  std::vector<DownloadResult> finished;
  std::size_t waiting = 0;

  void start(Host& host, const Waiting& what) {
    CURL* easy = spare.empty() ? curl_easy_init() : spare.back();
    if (!spare.empty()) spare.pop_back();
    if (easy == nullptr) throw RunError("libcurl: out of memory");
    curl_easy_reset(easy);
    auto transfer = std::make_unique<Transfer>();
    Transfer& t = *transfer;
    t.what = {what.job, what.url, what.attempts + 1};
    t.host = &host;
    t.config = &config;
    t.easy = easy;
    const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
    set(CURLOPT_URL, t.what.url->c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, static_cast<long>(config.redirects));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config.connect_timeout * 1000));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(config.timeout * 1000));
    set(CURLOPT_LOW_SPEED_LIMIT, 200L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(config.stall));
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(config.max_bytes));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_USERAGENT, "emotion_data");
    if (t.what.attempts > 1) set(CURLOPT_FRESH_CONNECT, 1L);  // the old one may hold bytes of another answer
    set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set(CURLOPT_OPENSOCKETDATA, &t);
    set(CURLOPT_WRITEFUNCTION, &take_bytes);
    set(CURLOPT_WRITEDATA, &t);
    set(CURLOPT_ERRORBUFFER, t.error.data());
    curl_multi_add_handle(multi, easy);
    ++t.host->active;
    active.emplace(easy, std::move(transfer));
  }

  /// Starts what politeness and the limits allow, a host in turn.
  void fill() {
    const auto now = Clock::now();
    std::size_t passed = 0;
    while (waiting > 0 && active.size() < static_cast<std::size_t>(config.parallel) && passed < order.size()) {
      Host& host = *order[turn++ % order.size()];
      if (host.waiting.empty() || host.active >= config.per_host || host.not_before > now) {
        ++passed;
        continue;
      }
      passed = 0;
      const Waiting what = host.waiting.front();
      host.waiting.pop_front();
      --waiting;
      start(host, what);
    }
  }

  /// Milliseconds until a host that is left alone may be asked again.
  int patience(int milliseconds) const {
    auto soonest = Clock::now() + std::chrono::milliseconds(milliseconds);
    const bool full = active.size() >= static_cast<std::size_t>(config.parallel);
    for (const auto& [name, host] : hosts) {
      if (!full && !host.waiting.empty() && host.active < config.per_host) soonest = std::min(soonest, host.not_before);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(soonest - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, milliseconds));
  }

  /// The host is not there, or wants more patience than this run has: what still waits for it fails with the same reason, to be
  /// tried by a later run.
  void give_up(Host& host, const std::string& reason) {
    log_warning("{}: given up in this run, with {} more URLs: {}", host.name, host.waiting.size(), reason);
    host.given_up = reason;
    for (const Waiting& what : host.waiting) finished.push_back({what.job, {}, reason, true});
    waiting -= host.waiting.size();
    host.waiting.clear();
  }

  /// Attempts at a host that go on at the same time: they fail together, and count as one of a URL's.
  int abreast() const { return std::min(config.per_host, config.parallel); }

  /// A host has as many attempts as a URL: those of thousands would take hours, since the host is left alone after each.
  bool is_dead(const Host& host) const { return host.unreached >= std::int64_t{abreast()} * (std::int64_t{config.retries} + 1); }

  void finish(CURL* easy, CURLcode code) {
    const auto found = active.find(easy);
    std::unique_ptr<Transfer> transfer = std::move(found->second);
    active.erase(found);
    --transfer->host->active;
    Host& host = *transfer->host;
    host.unreached = is_unreached(*transfer, code) ? host.unreached + 1 : 0;
    DownloadResult result{transfer->what.job, {}, {}, false};
    Pause pause;
    judge(*transfer, code, result, pause);
    curl_multi_remove_handle(multi, easy);
    spare.push_back(easy);
    if (result.passing && !std::exchange(host.failure_told, true)) log_warning("{}: {}", host.name, result.failure);
    const bool retry = result.passing && transfer->what.attempts <= config.retries;
    if (result.passing && pause.seconds > config.longest_wait) {
      result.failure += fmt::format("; the server asks for {:.0f} s of patience", pause.seconds);
      if (host.given_up.empty()) give_up(host, result.failure);
    } else if (result.passing && !host.given_up.empty()) {
      result.failure = host.given_up;
    } else if (result.passing && is_dead(host)) {
      result.failure += fmt::format("; the host was not reached {} times in a row", host.unreached);
      give_up(host, result.failure);
    } else if (result.passing && (retry || pause.asked)) {
      host.not_before = std::max(host.not_before, Clock::now() + seconds(pause.seconds));
      if (retry) {
        host.waiting.push_back(transfer->what);
        ++waiting;
        return;
      }
    }
    if (result.failure.empty()) result.body = std::move(transfer->body);
    finished.push_back(std::move(result));
  }

  /// What a finished attempt means, and how long to wait before another.
  void judge(const Transfer& t, CURLcode code, DownloadResult& result, Pause& pause) const {
    long status = 0;
    curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &status);
    const int attempts = std::max(t.what.attempts, (t.host->unreached + abreast() - 1) / abreast());
    pause.seconds = config.first_wait * static_cast<double>(std::uint64_t{1} << std::min(attempts - 1, 20));
    pause.seconds = std::min(pause.seconds, config.longest_wait);
    if (!t.refusal.empty()) {
      result.failure = t.refusal;
    } else if (t.met_private && code != CURLE_OK) {
      result.failure = "leads to a private address; --allow-private fetches from there";
    } else if (status >= 400) {
      result.failure = fmt::format("HTTP status {}", status);
      result.passing = status == 408 || status == 425 || status == 429 || status >= 500;
      curl_off_t after = 0;
      if ((status == 429 || status == 503) && curl_easy_getinfo(t.easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
        pause = {.seconds = static_cast<double>(after), .asked = true};
    } else if (code == CURLE_TOO_MANY_REDIRECTS) {
      result.failure = fmt::format("more than {} redirects", config.redirects);
    } else if (code == CURLE_FILESIZE_EXCEEDED) {
      result.failure = fmt::format("larger than {} bytes", config.max_bytes);
    } else if (is_bad_redirect(t, code)) {
      result.failure = "a redirect to something that is neither http nor https";
    } else if (code != CURLE_OK) {
      result.failure = t.error[0] != '\0' ? t.error.data() : curl_easy_strerror(code);
      result.passing = code != CURLE_PEER_FAILED_VERIFICATION;
    } else if (status < 200 || status >= 300) {
      result.failure = fmt::format("HTTP status {}", status);
    } else {
      judge_answer(t, result);
    }
    std::replace_if(
        result.failure.begin(), result.failure.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  }

  /// Whether the URL's own host was not reached; one that sends on to another was.
  static bool is_unreached(const Transfer& t, CURLcode code) {
    long redirects = 0;
    curl_off_t connected = 0;  // microseconds until it was
    curl_easy_getinfo(t.easy, CURLINFO_REDIRECT_COUNT, &redirects);
    curl_easy_getinfo(t.easy, CURLINFO_CONNECT_TIME_T, &connected);
    if (redirects > 0 || t.met_private) return false;
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           (code == CURLE_OPERATION_TIMEDOUT && connected == 0);
  }

  /// libcurl gives the same code for bytes that are no HTTP answer, as an earlier answer longer than its Content-Length leaves
  /// them on the connection.
  static bool is_bad_redirect(const Transfer& t, CURLcode code) {
    long redirects = 0;
    curl_easy_getinfo(t.easy, CURLINFO_REDIRECT_COUNT, &redirects);
    const bool no_http = std::string_view(t.error.data()).find("HTTP/0.9") != std::string_view::npos;
    return (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) && redirects > 0 && !no_http;
  }

  static void judge_answer(const Transfer& t, DownloadResult& result) {
    if (t.body.empty()) result.failure = "an empty answer";
    // Photo sites answer for a deleted photo with a picture that says so.
    const char* url = nullptr;
    curl_easy_getinfo(t.easy, CURLINFO_EFFECTIVE_URL, &url);
    if (url != nullptr && *t.what.url != url && std::string_view(url).find("unavailable") != std::string_view::npos)
      result.failure = fmt::format("redirected to a placeholder, {}", url);
  }
};

Downloader::Downloader(const FetchConfig& config) : data_(std::make_unique<Data>()) {
  static const bool kReady = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  data_->config = config;
  data_->multi = kReady ? curl_multi_init() : nullptr;
  if (data_->multi == nullptr) throw RunError("libcurl cannot be started");
  curl_multi_setopt(data_->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(config.parallel));
  curl_multi_setopt(data_->multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(config.per_host));
  curl_multi_setopt(data_->multi, CURLMOPT_MAXCONNECTS, static_cast<long>(config.parallel));
}

Downloader::~Downloader() {
  for (auto& [easy, transfer] : data_->active) {
    curl_multi_remove_handle(data_->multi, easy);
    curl_easy_cleanup(easy);
  }
  for (CURL* easy : data_->spare) curl_easy_cleanup(easy);
  curl_multi_cleanup(data_->multi);
}

void Downloader::add(std::size_t job, const std::string& url) {
  std::string reason;
  const std::string name = host_of(url, reason);
  if (name.empty()) {
    data_->finished.push_back({job, {}, reason, false});
    return;
  }
  Host& host = data_->hosts[name];
  if (host.name.empty()) {
    host.name = name;
    data_->order.push_back(&host);
  }
  if (!host.given_up.empty()) {
    data_->finished.push_back({job, {}, host.given_up, true});
    return;
  }
  host.waiting.push_back({job, &url});
  ++data_->waiting;
}

std::vector<DownloadResult> Downloader::step(int milliseconds, bool accept) {
  Data& d = *data_;
  if (accept) d.fill();
  int running = 0;
  curl_multi_perform(d.multi, &running);
  int left = 0;
  const auto collect = [&] {
    while (CURLMsg* message = curl_multi_info_read(d.multi, &left)) {
      if (message->msg == CURLMSG_DONE) d.finish(message->easy_handle, message->data.result);
    }
  };
  collect();
  if (d.finished.empty() && !idle()) {
    curl_multi_poll(d.multi, nullptr, 0, accept ? d.patience(milliseconds) : milliseconds, nullptr);
    curl_multi_perform(d.multi, &running);
    collect();
  }
  return std::exchange(d.finished, {});
}

bool Downloader::idle() const { return data_->active.empty() && data_->waiting == 0 && data_->finished.empty(); }

void Downloader::wake() { curl_multi_wakeup(data_->multi); }

}  // namespace emotion
