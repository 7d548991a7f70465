// Pictures over HTTP, from a server within the test; nothing leaves 127.0.0.1.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/free_port.h"
#include "../support/limited_memory.h"
#include "../support/log_capture.h"
#include "emotion/error.h"
#include "fetch_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using FetchTest = FetchFixture;

TEST_F(FetchTest, FetchesOnceAndNeverAgain) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  const std::vector<UrlEntry> list{
      {"a/1.jpg", server.url("/1")}, {"a/2.jpg", server.url("/2")}, {"b/again.jpg", server.url("/1")}};
  const FetchSummary first = fetch_pictures(list, config());
  EXPECT_EQ(first.fetched, 3U);
  EXPECT_EQ(first.failed, 0U);
  for (const auto& entry : list) EXPECT_EQ(read_file(out() / entry.path), picture());
  EXPECT_EQ(server.requests("/1"), 1);
  EXPECT_FALSE(fs::exists(out() / "failures.tsv"));
  std::vector<UrlEntry> more = list;
  more.push_back({"c/third.jpg", server.url("/2")});  // a URL that is there under another path
  const FetchSummary second = fetch_pictures(more, config());
  EXPECT_EQ(second.there, 4U);
  EXPECT_EQ(second.fetched, 0U);
  EXPECT_EQ(read_file(out() / "c/third.jpg"), picture());
  EXPECT_EQ(server.requests("/1") + server.requests("/2"), 2);
}

TEST_F(FetchTest, EveryFailureHasItsReason) {
  HttpServer server([&](const std::string& path, int) -> HttpAnswer {
    if (path == "/404") return {.status = 404, .body = "<html>gone</html>"};
    if (path == "/500") return {.status = 500, .body = std::string(300'000, 'x')};
    if (path == "/cut") return {.body = picture(), .cut = 700};
    if (path == "/half") return {.body = picture().substr(0, 700)};
    if (path == "/html") return {.body = "<!DOCTYPE html><html>", .headers = "Content-Type: text/html\r\n"};
    if (path == "/jpeg-that-is-none")
      return {.body = "\xff\xd8\xff\xe0 but nothing else", .headers = "Content-Type: image/jpeg\r\n"};
    if (path == "/empty") return {};
    if (path == "/large") return {.body = picture() + std::string(70'000, 'x')};
    if (path == "/loop") return {.status = 302, .headers = "Location: /loop\r\n"};
    if (path == "/to-file") return {.status = 302, .headers = "Location: file:///etc/passwd\r\n"};
    if (path == "/deleted") return {.status = 302, .headers = "Location: /images/photo_unavailable.png\r\n"};
    if (path == "/hop") return {.status = 301, .headers = "Location: /good\r\n"};
    return {.body = picture()};
  });
  std::vector<UrlEntry> list;
  for (const std::string name :
       {"404", "500", "cut", "half", "html", "jpeg-that-is-none", "empty", "large", "loop", "to-file", "deleted", "hop", "good"})
    list.push_back({name + ".jpg", server.url("/" + name)});
  list.push_back({"file.jpg", "file:///etc/passwd"});
  list.push_back({"ftp.jpg", "ftp://127.0.0.1/x.jpg"});
  list.push_back({"no-url.jpg", "http://"});
  FetchConfig c = config();
  c.max_bytes = 65'536;
  const FetchSummary summary = fetch_pictures(list, c);
  EXPECT_EQ(summary.fetched, 2U);
  EXPECT_EQ(summary.failed, list.size() - 2);
  EXPECT_EQ(read_file(out() / "hop.jpg"), picture());
  EXPECT_EQ(failure("404.jpg"), "final HTTP status 404");
  EXPECT_EQ(server.requests("/404"), 1);
  EXPECT_EQ(failure("500.jpg"), "passing HTTP status 500");
  EXPECT_EQ(server.requests("/500"), 3);
  EXPECT_THAT(failure("cut.jpg"), ::testing::ContainsRegex("^passing .*(transfer closed with|bytes missing)"));  // curl 7, 8
  EXPECT_EQ(server.requests("/cut"), 3);
  EXPECT_THAT(failure("half.jpg"), HasSubstr("final " + server.url("/half") + ": broken JPEG"));
  EXPECT_EQ(failure("html.jpg"), "final not a picture but text/html; begins with '<!DOCTYPE html><html>'");
  EXPECT_THAT(failure("jpeg-that-is-none.jpg"), HasSubstr("broken JPEG"));
  EXPECT_EQ(failure("empty.jpg"), "final an empty answer");
  EXPECT_EQ(failure("large.jpg"), "final larger than 65536 bytes");
  EXPECT_EQ(failure("loop.jpg"), "final more than 5 redirects");
  EXPECT_EQ(server.requests("/loop"), 6);
  EXPECT_EQ(failure("to-file.jpg"), "final a redirect to something that is neither http nor https");
  EXPECT_EQ(failure("deleted.jpg"), "final redirected to a placeholder, " + server.url("/images/photo_unavailable.png"));
  EXPECT_EQ(failure("file.jpg"), "final file is not fetched, only http and https are");
  EXPECT_EQ(failure("ftp.jpg"), "final ftp is not fetched, only http and https are");
  EXPECT_EQ(failure("no-url.jpg"), "final not a URL");
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(out())) files += entry.is_regular_file();
  EXPECT_EQ(files, 3U);  // two pictures and the list: no temporary is left

  // A second run: what failed for good is left alone, what may pass is tried again.
  const FetchSummary again = fetch_pictures(list, c);
  EXPECT_EQ(again.there, 2U);
  EXPECT_EQ(again.given_up, list.size() - 4);
  EXPECT_EQ(again.failed, 2U);
  EXPECT_EQ(server.requests("/404"), 1);
  EXPECT_EQ(server.requests("/500"), 6);
  c.retry_failed = true;
  EXPECT_EQ(fetch_pictures(list, c).given_up, 0U);
  EXPECT_EQ(server.requests("/404"), 2);
}

TEST_F(FetchTest, WaitsAsLongAsTheServerAsks) {
  std::chrono::steady_clock::time_point refused, served;
  HttpServer server([&](const std::string& path, int request) -> HttpAnswer {
    if (path == "/busy" && request == 1) {
      refused = std::chrono::steady_clock::now();
      return {.status = 429, .headers = "Retry-After: 1\r\n"};
    }
    if (path == "/down" && request < 3) return {.status = 503};
    if (path == "/busy") served = std::chrono::steady_clock::now();
    return {.body = picture()};
  });
  const FetchSummary summary = fetch_pictures({{"busy.jpg", server.url("/busy")}, {"down.jpg", server.url("/down")}}, config());
  EXPECT_EQ(summary.fetched, 2U);
  EXPECT_GE(std::chrono::duration<double>(served - refused).count(), 0.99);
  EXPECT_EQ(server.requests("/down"), 3);
}

// The wait is the host's, not the picture's: it holds for the next picture too, when this one has no attempt left.
TEST_F(FetchTest, TheLastAttemptAtAPictureKeepsTheHostWaiting) {
  std::chrono::steady_clock::time_point refused, served;
  HttpServer server([&](const std::string& path, int) -> HttpAnswer {
    if (path == "/first") {
      refused = std::chrono::steady_clock::now();
      return {.status = 429, .headers = "Retry-After: 1\r\n"};
    }
    served = std::chrono::steady_clock::now();
    return {.body = picture()};
  });
  FetchConfig c = config();
  c.retries = 0;
  c.per_host = 1;
  const FetchSummary summary = fetch_pictures({{"1.jpg", server.url("/first")}, {"2.jpg", server.url("/second")}}, c);
  EXPECT_EQ(summary.fetched, 1U);
  EXPECT_EQ(failure("1.jpg"), "passing HTTP status 429");
  EXPECT_GE(std::chrono::duration<double>(served - refused).count(), 0.99);
}

// A host that wants an hour is asked nothing more; the others are, and a later run asks it again.
TEST_F(FetchTest, AHostThatAsksForTooMuchPatienceIsLeftAlone) {
  std::atomic<int> asked = 0;
  std::atomic<bool> open = false;
  HttpServer busy([&](const std::string&, int) -> HttpAnswer {
    ++asked;
    if (open) return {.body = picture()};
    return {.status = 503, .headers = "Retry-After: 3600\r\n"};
  });
  HttpServer other([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  std::vector<UrlEntry> list;
  for (int i = 0; i < 40; ++i) {
    list.push_back({fmt::format("busy/{}.jpg", i), busy.url(fmt::format("/{}", i))});
    list.push_back({fmt::format("other/{}.jpg", i), other.url(fmt::format("/{}", i))});
  }
  FetchConfig c = config();
  c.per_host = 2;
  const FetchSummary summary = fetch_pictures(list, c);
  EXPECT_EQ(summary.fetched, 40U);
  EXPECT_EQ(summary.failed, 40U);
  EXPECT_LE(asked, 2) << "those that were under way together";
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(failure(fmt::format("busy/{}.jpg", i)), "passing HTTP status 503; the server asks for 3600 s of patience") << i;
  }
  open = true;
  const FetchSummary again = fetch_pictures(list, c);
  EXPECT_EQ(again.fetched, 40U);
  EXPECT_EQ(again.there, 40U);
  EXPECT_EQ(failures(), "");
}

// Nobody listens there: 40 pictures of three attempts each would keep the host waiting 40 times; it has three rounds of four.
TEST_F(FetchTest, AHostThatIsNotReachedIsGivenUp) {
  HttpServer other([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  const std::string dead = fmt::format("127.0.0.1:{}", free_port());
  std::vector<UrlEntry> list;
  for (int i = 0; i < 40; ++i) {
    list.push_back({fmt::format("dead/{}.jpg", i), fmt::format("http://{}/{}", dead, i)});
    list.push_back({fmt::format("other/{}.jpg", i), other.url(fmt::format("/{}", i))});
  }
  LogCapture log(LogLevel::kWarning);
  const FetchSummary summary = fetch_pictures(list, config());
  const std::string said = log.text();
  EXPECT_EQ(summary.fetched, 40U);
  EXPECT_EQ(summary.failed, 40U);
  for (int i = 0; i < 40; ++i) {
    EXPECT_THAT(failure(fmt::format("dead/{}.jpg", i)),
                AllOf(StartsWith("passing "), EndsWith("; the host was not reached 12 times in a row")))
        << i;
  }
  EXPECT_THAT(said, AllOf(HasSubstr("warning: " + dead + ": Failed to connect"),
                          HasSubstr("warning: " + dead + ": given up in this run, with ")));
  const FetchSummary again = fetch_pictures(list, config());
  EXPECT_EQ(again.there, 40U);
  EXPECT_EQ(again.failed, 40U) << "tried again";
}

// It is the other host that is dead.
TEST_F(FetchTest, AHostThatSendsOnToADeadOneIsNotGivenUp) {
  const std::string dead = fmt::format("http://127.0.0.1:{}/", free_port());
  HttpServer server([&](const std::string&, int) { return HttpAnswer{.status = 302, .headers = "Location: " + dead + "\r\n"}; });
  std::vector<UrlEntry> list;
  for (int i = 0; i < 8; ++i) list.push_back({fmt::format("{}.jpg", i), server.url(fmt::format("/{}", i))});
  EXPECT_EQ(fetch_pictures(list, config()).failed, 8U);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(server.requests(fmt::format("/{}", i)), 3) << i;
    EXPECT_THAT(failure(fmt::format("{}.jpg", i)), AllOf(StartsWith("passing "), Not(HasSubstr("in a row")))) << i;
  }
}

// Else the picture would not be asked for again.
TEST_F(FetchTest, MemoryThatEndsIsNoFailureOfThePicture) {
  if (!kMemoryIsLimited) GTEST_SKIP() << "a sanitizer maps what it likes";
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = large_gif()}; });
  EXPECT_EQ(error_within(64,
                         [&] {
                           fetch_pictures({{"large.gif", server.url("/large")}}, config());
                         }),
            "not one of ours: std::bad_alloc");
  EXPECT_EQ(server.requests("/large"), 1);
  EXPECT_EQ(failures(), "");
}

TEST_F(FetchTest, SlowDripsEnd) {
  HttpServer server([&](const std::string&, int) { return HttpAnswer{.body = picture(), .drip_ms = 20}; });
  FetchConfig c = config();
  c.timeout = 0.4;
  c.retries = 0;
  const FetchSummary summary = fetch_pictures({{"drip.jpg", server.url("/drip")}}, c);
  EXPECT_EQ(summary.failed, 1U);
  EXPECT_THAT(failure("drip.jpg"), HasSubstr("passing Operation timed out"));
}

// A server whose Content-Length is too small leaves the rest of its picture where the next answer is looked for.
TEST_F(FetchTest, BytesThatAnEarlierAnswerLeftDoNotEndTheNextPicture) {
  HttpServer server([](const std::string& path, int) -> HttpAnswer {
    if (path.starts_with("/long")) return {.body = picture().substr(0, 700), .late = picture().substr(700)};
    if (path == "/hop") return {.status = 302, .headers = "Location: /good\r\n"};
    return {.body = picture()};
  });
  std::vector<UrlEntry> list;
  for (const std::string name : {"long1", "good1", "long2", "hop", "long3", "good3"})
    list.push_back({name + ".jpg", server.url("/" + name)});
  FetchConfig c = config();
  c.per_host = 1;
  const FetchSummary summary = fetch_pictures(list, c);
  EXPECT_EQ(summary.fetched, 3U) << failures();
  EXPECT_EQ(summary.failed, 3U);
  EXPECT_THAT(failure("long1.jpg"), HasSubstr("final " + server.url("/long1") + ": broken JPEG"));
  c.retries = 0;
  const FetchSummary once = fetch_pictures({{"long4.jpg", server.url("/long4")}, {"good4.jpg", server.url("/good4")}}, c);
  EXPECT_EQ(once.failed, 2U);
  EXPECT_THAT(failure("good4.jpg"),
              ::testing::AnyOf("passing Received HTTP/0.9 when not allowed", "passing Invalid status line"));
}

// The check is made where a connection is opened: names, redirects and literal addresses end there alike.
TEST_F(FetchTest, PrivateAddressesAreRefusedUnlessAsked) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  FetchConfig c = config();
  c.allow_private = false;
  const std::string port = std::to_string(server.port());
  const std::vector<UrlEntry> list{{"address.jpg", server.url("/a")},
                                   {"name.jpg", "http://localhost:" + port + "/b"},
                                   {"number.jpg", "http://2130706433:" + port + "/c"},
                                   {"short.jpg", "http://127.1:" + port + "/d"},
                                   {"mapped.jpg", "http://[::ffff:127.0.0.1]:" + port + "/e"},
                                   {"all.jpg", "http://0.0.0.0:" + port + "/f"}};
  EXPECT_EQ(fetch_pictures(list, c).failed, list.size());
  for (const auto& entry : list)
    EXPECT_EQ(failure(entry.path), "final leads to a private address; --allow-private fetches from there") << entry.url;
  for (const char* path : {"/a", "/b", "/c", "/d", "/e", "/f"}) EXPECT_EQ(server.requests(path), 0);
  c.allow_private = true;
  EXPECT_EQ(fetch_pictures({{"later.jpg", server.url("/a")}}, c).fetched, 1U);
}

// A server that may be asked sends its visitors on to one that may not: here 127.0.0.1 stands for the public addresses.
TEST_F(FetchTest, ARedirectToAPrivateAddressIsRefused) {
  std::string inner;
  HttpServer server([&](const std::string& path, int) -> HttpAnswer {
    if (path == "/hop") return {.status = 302, .headers = "Location: /good\r\n"};
    if (path == "/in") return {.status = 302, .headers = "Location: " + inner + "\r\n"};
    return {.body = picture()};
  });
  inner = fmt::format("http://127.0.0.2:{}/secret", server.port());
  FetchConfig c = config();
  c.allow_private = false;
  c.is_public = [](std::string_view address) { return address == "127.0.0.1"; };
  const FetchSummary summary = fetch_pictures({{"hop.jpg", server.url("/hop")}, {"in.jpg", server.url("/in")}}, c);
  EXPECT_EQ(summary.fetched, 1U);
  EXPECT_EQ(server.requests("/in"), 1);
  EXPECT_EQ(failure("in.jpg"), "final leads to a private address; --allow-private fetches from there");
  EXPECT_EQ(server.requests("/secret"), 0);
}

TEST(PublicAddress, KnowsSpecialBlocks) {
  for (const char* address :
       {"8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.1", "223.255.255.255",
        "2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "::ffff:8.8.8.8"})
    EXPECT_TRUE(is_public_address(address)) << address;
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "203.0.113.9",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "64:ff9b::10.0.0.1",
                              "64:ff9b:1::8.8.8.8",
                              "2002:7f00:0001::1",
                              "::ffff:192.168.0.1",
                              "::127.0.0.1",
                              "localhost",
                              "",
                              "1.2.3"})
    EXPECT_FALSE(is_public_address(address)) << address;
}

TEST_F(FetchTest, KeepsToItsLimitPerHost) {
  // Nothing is answered until as many ask as may: each of them on a connection of its own.
  std::mutex mutex;
  std::condition_variable more;
  int asked = 0;
  HttpServer server([&](const std::string&, int) {
    std::unique_lock lock(mutex);
    ++asked;
    more.notify_all();
    more.wait_for(lock, std::chrono::seconds(5), [&] { return asked >= 3; });
    return HttpAnswer{.body = picture()};
  });
  std::vector<UrlEntry> list;
  for (int i = 0; i < 200; ++i) list.push_back({fmt::format("{}.jpg", i), server.url(fmt::format("/{}", i))});
  FetchConfig c = config();
  c.per_host = 3;
  EXPECT_EQ(fetch_pictures(list, c).fetched, 200U);
  EXPECT_EQ(server.most_connections(), 3);
}

TEST_F(FetchTest, AKilledRunsListIsRead) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.status = 404}; });
  fs::create_directories(out());
  write_text(out() / "failures.tsv", "a.jpg\t" + server.url("/a") + "\tfinal\tHTTP status 404\nb.jpg\thttp://x");
  const FetchSummary summary = fetch_pictures({{"a.jpg", server.url("/a")}, {"b.jpg", server.url("/b")}}, config());
  EXPECT_EQ(summary.given_up, 1U);
  EXPECT_EQ(summary.failed, 1U);
  EXPECT_EQ(failures(),
            "a.jpg\t" + server.url("/a") + "\tfinal\tHTTP status 404\nb.jpg\t" + server.url("/b") + "\tfinal\tHTTP status 404\n");
}

TEST_F(FetchTest, BadListsAreNamedWithTheirLine) {
  const fs::path file = folder_.path() / "urls.tsv";
  const auto error = [&](const std::string& text) {
    write_text(file, text);
    return error_without<DataError>(file, [&] { read_url_list(file); });
  };
  write_text(file,
             "\xef\xbb\xbf"
             "a.jpg\thttp://h/1 \r\n\r\nb/c.jpg\thttp://h/2\na.jpg\thttp://h/1");
  const auto list = read_url_list(file);
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_EQ(list[0].url, "http://h/1");
  EXPECT_EQ(list[1].path, "b/c.jpg");
  EXPECT_EQ(error("a.jpg http://h/1\n"), "1: `relative path<TAB>url` is wanted");
  EXPECT_EQ(error("a.jpg\thttp://h/1\n../b.jpg\thttp://h/2\n"), "2: '../b.jpg' leaves '.'");
  EXPECT_EQ(error("/etc/b.jpg\thttp://h/2\n"), "1: '/etc/b.jpg' is an absolute path, a path below '.' is needed");
  EXPECT_EQ(error("a.jpg\thttp://h/1\n\na.jpg\thttp://h/2\n"), "3: 'a.jpg' has another URL in line 1");
  EXPECT_EQ(error("a/\thttp://h/1\n"), "1: 'a/' names a folder");
  EXPECT_EQ(error("a/.\thttp://h/1\n"), "1: 'a/.' names a folder");
  EXPECT_EQ(error("a.jpg\thttp://h/1\n./b/../a.jpg\thttp://h/2\n"), "2: 'a.jpg' has another URL in line 1");
  EXPECT_EQ(error("a.jpg\thttp://h/1\nb/failures.tsv\thttp://h/2\n./failures.tsv\thttp://h/3\n"),
            "3: './failures.tsv' is where fetch lists what failed; give it another name");
  for (const char* own : {"dataset.yaml", "train.jsonl", "train.jsonl.index", "hashes.tsv", "deep/dataset.yaml"})
    EXPECT_EQ(error(std::string(own) + "\thttp://h/1\n"),
              fmt::format("1: '{}' is a name of a data set's own files; give it another name", own));
}

TEST_F(FetchTest, ListsMayHaveBareCarriageReturnsAndBlanksInUrls) {
  const fs::path file = folder_.path() / "urls.tsv";
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  write_text(file, "./a.jpg\t " + server.url("/a b c.jpg") + " \r\rin/b.jpg\t" + server.url("/b") + "\ra.jpg\t" +
                       server.url("/a b c.jpg") + "\r");
  const auto list = read_url_list(file);
  ASSERT_THAT(list, SizeIs(2)) << "two spellings of one path";
  EXPECT_EQ(list[0].path, "a.jpg");
  EXPECT_EQ(list[1].path, "in/b.jpg");
  EXPECT_EQ(fetch_pictures(list, config()).fetched, 2U);
  EXPECT_EQ(server.requests("/a%20b%20c.jpg"), 1);
  write_text(file, "a.jpg\thttp://h/1\rb.jpg http://h/2\r");
  EXPECT_EQ(error_of<DataError>([&] { read_url_list(file); }), file.string() + ":2: `relative path<TAB>url` is wanted");
}

TEST_F(FetchTest, AbsurdValuesAreRefused) {
  FetchConfig c = config();
  c.parallel = 0;
  EXPECT_EQ(error_of<ConfigError>([&] { fetch_pictures({}, c); }), "parallel is 0, 1 to 1000 are possible");
}

// A measurement, not a check: data_test --gtest_also_run_disabled_tests --gtest_filter='*TenThousand*'
TEST_F(FetchTest, DISABLED_TenThousandSmallPictures) {
  const std::string body = picture();
  HttpServer server([&](const std::string&, int) { return HttpAnswer{.body = body}; });
  std::vector<UrlEntry> list;
  for (int i = 0; i < 10'000; ++i) list.push_back({fmt::format("{:02}/{}.jpg", i / 1000, i), server.url(fmt::format("/{}", i))});
  FetchConfig c = config();
  c.per_host = 16;
  c.workers = 0;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(fetch_pictures(list, c).fetched, list.size());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("10,000 pictures of {} bytes in {:.2f} s: {:.0f} a second\n", body.size(), seconds, 10'000 / seconds);
}

}  // namespace
}  // namespace emotion
