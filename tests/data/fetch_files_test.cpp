// What lies in the folder that pictures are fetched into: names that cannot be, files that were there.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

#include "../../src/data/importers/files.h"
#include "../support/small_files.h"
#include "emotion/error.h"
#include "emotion/io/file_lock.h"
#include "emotion/signals.h"
#include "fetch_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

using FetchFilesTest = FetchFixture;

std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

// Millions of files are looked at before the first is fetched: that can be stopped as well. In a process of its own, since a stop
// stays asked for.
TEST_F(FetchFilesTest, TheLookAtWhatIsThereCanBeStopped) {
  std::vector<UrlEntry> list;
  for (int i = 0; i < 20; ++i) {
    list.push_back({std::to_string(i) + ".jpg", "http://127.0.0.1:1/" + std::to_string(i)});
    write_text(out() / list.back().path, picture());
  }
  EXPECT_EQ(fetch_pictures(list, config()).there, 20U);
  const pid_t child = ::fork();
  if (child == 0) {
    handle_stop_signals();
    std::raise(SIGTERM);
    try {
      fetch_pictures(list, config());
    } catch (const Interrupted&) {
      ::_exit(42);
    } catch (...) {
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(FetchFilesTest, ANameThatCannotBeIsItsLinesFailureAlone) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  const std::string longest(251, 'n'), too_long(252, 'n');
  fs::create_directories(out() / "folder.jpg/in");
  write_text(out() / "file", "in the way");
  const std::vector<UrlEntry> list{{"folder.jpg", server.url("/1")},      {"file/x.jpg", server.url("/2")},
                                   {"file/deep/x.jpg", server.url("/2")}, {too_long + ".jpg", server.url("/3")},
                                   {"good.jpg", server.url("/3")},        {longest + ".jpg", server.url("/4")}};
  const FetchSummary summary = fetch_pictures(list, config());
  EXPECT_EQ(summary.fetched, 2U);
  EXPECT_EQ(summary.failed, 4U);
  EXPECT_EQ(failure("folder.jpg"), "final cannot be written: Is a directory");
  EXPECT_EQ(failure("file/x.jpg"), "final cannot be written: Not a directory");
  EXPECT_EQ(failure("file/deep/x.jpg"), "final cannot be written: Not a directory");
  EXPECT_EQ(failure(too_long + ".jpg"), "final cannot be written: File name too long");
  EXPECT_EQ(read_file(out() / "good.jpg"), picture());
  EXPECT_EQ(read_file(out() / (longest + ".jpg")), picture());
  const FetchSummary again = fetch_pictures(list, config());
  EXPECT_EQ(again.given_up, 4U);
  EXPECT_EQ(again.there, 2U);
  for (const auto& entry : fs::recursive_directory_iterator(out()))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".fetch")) << entry.path();
}

TEST_F(FetchFilesTest, AWriteThatFailsLeavesNoFileAndNoDescriptor) {
  const SmallFiles limit(picture().size() - 1);
  const auto fetch = [&](int begin, int end) {
    HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
    std::vector<UrlEntry> list;
    for (int i = begin; i < end; ++i) list.push_back({std::to_string(i) + ".jpg", server.url("/" + std::to_string(i))});
    return fetch_pictures(list, config()).failed;
  };
  fetch(0, 1);  // opens what is kept
  const std::size_t before = open_files();
  EXPECT_EQ(fetch(1, 8), 7U);
  EXPECT_EQ(failure("7.jpg"), "passing cannot be written: File too large");
  EXPECT_EQ(open_files(), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(out()), fs::directory_iterator()), 1) << "the list of failures";
}

// Each would write failures.tsv at its end without what the other found.
TEST_F(FetchFilesTest, OneFetchAtATimeWorksInAFolder) {
  fs::create_directories(out());
  {
    const FolderLock other(out(), "");
    EXPECT_EQ(error_of<ConfigError>([&] { fetch_pictures({}, config()); }),
              out().string() + ": another fetch is at work there; wait for its end, or give another folder");
  }
  EXPECT_NO_THROW(fetch_pictures({}, config()));
}

TEST_F(FetchFilesTest, WhatIsThereMustBeginAsAPicture) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  const std::vector<UrlEntry> list{{"page.jpg", server.url("/1")},
                                   {"empty.jpg", server.url("/2")},
                                   {"zeros.jpg", server.url("/3")},
                                   {"good.jpg", server.url("/4")}};
  write_text(out() / "page.jpg", "<html>gone</html>");
  write_text(out() / "empty.jpg", "");
  write_text(out() / "zeros.jpg", std::string(5000, '\0'));
  write_text(out() / "good.jpg", picture());
  const FetchSummary summary = fetch_pictures(list, config());
  EXPECT_EQ(summary.there, 1U);
  EXPECT_EQ(summary.fetched, 3U);
  for (const auto& entry : list) EXPECT_EQ(read_file(out() / entry.path), picture()) << entry.path;
}

TEST_F(FetchFilesTest, WhyAPictureCannotBeReadIsTold) {
  fs::create_directories(out() / "folder.jpg");
  fs::create_symlink("loop.jpg", out() / "loop.jpg");
  write_text(out() / "empty.jpg", "");
  write_text(out() / "good.jpg", picture());
  EXPECT_EQ(picture_problem(out() / "good.jpg"), "");
  EXPECT_EQ(picture_problem(out() / "gone.jpg"), "no such file");
  EXPECT_EQ(picture_problem(out() / "good.jpg/in.jpg"), "no such file");
  EXPECT_EQ(picture_problem(out() / "folder.jpg"), "no such file");
  EXPECT_EQ(picture_problem(out() / "empty.jpg"), "an empty file");
  EXPECT_EQ(picture_problem(out() / "loop.jpg"), "cannot be read: Too many levels of symbolic links");
  EXPECT_EQ(picture_problem(out() / std::string(300, 'n')), "cannot be read: File name too long");
}

TEST_F(FetchFilesTest, WhatIsCalledAsNoPictureStays) {
  HttpServer server([](const std::string&, int) { return HttpAnswer{.body = picture()}; });
  write_text(out() / "annotations/train.json", "{}");
  const std::vector<UrlEntry> list{{"annotations/train.json", server.url("/1")}, {"good.jpg", server.url("/2")}};
  const FetchSummary summary = fetch_pictures(list, config());
  EXPECT_EQ(summary.fetched, 1U);
  EXPECT_EQ(summary.failed, 1U);
  EXPECT_EQ(read_file(out() / "annotations/train.json"), "{}");
  EXPECT_EQ(failure("annotations/train.json"), "final there is a file already that is called as no picture");
}

TEST_F(FetchFilesTest, OnlyAWholePictureIsCopiedToTheOtherPathsOfItsUrl) {
  HttpServer server(
      [](const std::string& path, int) { return path == "/gone" ? HttpAnswer{.status = 404} : HttpAnswer{.body = picture()}; });
  std::vector<UrlEntry> list;
  for (const std::string name : {"whole", "half", "gone"}) {
    list.push_back({name + ".jpg", server.url("/" + name)});
    list.push_back({"again/" + name + ".jpg", server.url("/" + name)});
    write_text(out() / (name + ".jpg"), name == "whole" ? picture() : picture().substr(0, 700));
  }
  const FetchSummary summary = fetch_pictures(list, config());
  EXPECT_EQ(summary.there, 2U) << "whole.jpg and its copy";
  EXPECT_EQ(summary.fetched, 2U) << "half.jpg, which is no picture, and its copy";
  EXPECT_EQ(summary.failed, 2U);
  EXPECT_EQ(server.requests("/whole"), 0);
  EXPECT_EQ(read_file(out() / "half.jpg"), picture());
  EXPECT_EQ(read_file(out() / "again/whole.jpg"), picture());
  EXPECT_EQ(read_file(out() / "again/half.jpg"), picture());
  EXPECT_FALSE(fs::exists(out() / "again/gone.jpg"));
  EXPECT_EQ(failure("again/gone.jpg"), "final HTTP status 404");
  EXPECT_EQ(fetch_pictures(list, config()).given_up, 1U);
  EXPECT_EQ(server.requests("/gone"), 1);
}

}  // namespace
}  // namespace emotion
