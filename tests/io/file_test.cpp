#include "emotion/io/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <ostream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "../support/open_files.h"
#include "../support/scratch.h"
#include "../support/small_files.h"
#include "emotion/error.h"
#include "emotion/io/tar.h"
#include "emotion/io/writable.h"

namespace emotion {
namespace {
namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  const ScratchFolder scratch_;
  const fs::path folder = scratch_.path();
};

TEST_F(FileTest, AWriterThatThrowsLeavesTheOldFile) {
  write_file_atomically(folder / "a", "old");
  EXPECT_THROW(write_file_atomically(folder / "a",
                                     [](std::ostream& out) {
                                       out << "half";
                                       throw DataError("stop");
                                     }),
               DataError);
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(FileTest, TheModeIsAsTheUmaskWantsIt) {
  for (const mode_t mask : {077, 022, 002}) {
    const mode_t before = ::umask(mask);
    const fs::path file = folder / std::to_string(mask);
    write_file_atomically(file, "x");
    ::umask(before);
    struct stat info {};
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0666U & ~mask);
  }
}

TEST_F(FileTest, ALinkedFileIsReplacedAndTheLinkStays) {
  fs::create_directory(folder / "there");
  write_text(folder / "there/file", "old");
  fs::create_symlink("there/file", folder / "link");
  check_writable_file(folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "there/file"), "new");
}

TEST_F(FileTest, WithoutCommitNothingChanges) {
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.out() << "new" << std::flush;
    EXPECT_EQ(read_file(folder / "a"), "old");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1) << "the temporary file is left";
  AtomicFile file(folder / "a");
  file.out() << "new";
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(FileTest, AFullDiskIsToldBeforeTheEnd) {
  const SmallFiles limit(1000);
  const std::string text = (folder / "a").string() + ": cannot be written: File too large";
  AtomicFile file(folder / "a");
  EXPECT_NO_THROW(file.check());
  file.out() << std::string(2000, 'x') << std::flush;
  EXPECT_EQ(error_of<RunError>([&] { file.check(); }), text);
  EXPECT_EQ(error_of<RunError>([&] { file.commit(); }), text);
  EXPECT_FALSE(fs::exists(folder / "a"));
}

TEST_F(FileTest, AnArchiveIsWrittenBehindALink) {
  write_text(folder / "there/old.tar", "old");
  fs::create_symlink("there/old.tar", folder / "link.tar");
  TarWriter writer(folder / "link.tar");
  writer.add("a.txt", "aa");
  EXPECT_EQ(read_file(folder / "there/old.tar"), "old");
  writer.close();
  EXPECT_TRUE(fs::is_symlink(folder / "link.tar"));
  EXPECT_EQ(read_tar_index(folder / "there/old.tar").size(), 1U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "there"), fs::directory_iterator()), 1);
}

TEST_F(FileTest, AnArchiveInPlaceOfAFolderIsRefused) {
  fs::create_directory(folder / "a.tar");
  TarWriter writer(folder / "a.tar");
  EXPECT_EQ(error_of<RunError>([&] { writer.close(); }), (folder / "a.tar").string() + ": cannot be written: Is a directory");
}

TEST_F(FileTest, APipeIsWrittenToAndStaysOne) {
  const std::string pipe = (folder / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] {
    std::ifstream in(pipe);
    std::getline(in, read);
  });
  check_writable_file(pipe);
  write_file_atomically(pipe, "a line\n");
  reader.join();
  EXPECT_EQ(read, "a line");
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST_F(FileTest, ErrorsNameThePath) {
  try {
    read_file(folder);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_EQ(std::string(e.what()), folder.string() + ": is a folder, a file is needed");
  }
  EXPECT_THROW(write_file_atomically(folder / "no" / "file", "x"), RunError);
}

TEST_F(FileTest, WhatTheMachineLacksIsNoFaultOfAFile) {
  const fs::path file = folder / "a", gone = folder / "gone";
  write_text(file, "x");
  {
    const OpenFileLimit none(0);
    const std::string text = file.string() + ": cannot be read: Too many open files";
    EXPECT_EQ(error_of<RunError>([&] { read_file(file); }), text);
    EXPECT_EQ(error_of<RunError>([&] { MappedFile map(file); }), text);
    EXPECT_EQ(error_of<RunError>([&] { read_tar_index(file); }), text);
  }
  EXPECT_EQ(error_of<DataError>([&] { read_file(gone); }), gone.string() + ": cannot be read: No such file or directory");
  EXPECT_EQ(error_of<RunError>([] { throw_unreadable("a", ESTALE); }), "a: Stale file handle");
  EXPECT_EQ(error_of<DataError>([] { throw_unreadable("a", EACCES); }), "a: Permission denied");
}

TEST_F(FileTest, APipeIsRefusedWithoutWaitingForAWriter) {
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  ::alarm(20);  // ends the test where opening waits
  const std::string text = (folder / "pipe").string() + ": is not a regular file";
  EXPECT_EQ(error_of<DataError>([&] { read_file(folder / "pipe"); }), text);
  EXPECT_EQ(error_of<DataError>([&] { MappedFile map(folder / "pipe"); }), text);
  EXPECT_EQ(error_of<DataError>([&] { read_tar_index(folder / "pipe"); }),
            (folder / "pipe").string() + ": cannot be read: Invalid argument");
  ::alarm(0);
}

TEST_F(FileTest, APathMayNotLeaveItsRoot) {
  EXPECT_EQ(path_below("/root", "a/../b.jpg"), fs::path("/root/a/../b.jpg"));
  for (const char* bad : {"", "/etc/passwd", "../x", "a/../../x"}) EXPECT_THROW(path_below("/root", bad), DataError) << bad;
}

TEST_F(FileTest, AnEmptyFileMapsToNothing) {
  write_file_atomically(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(WritableTest, SaysBeforehandWhatWritingWouldSay) {
  const ScratchFolder folder;
  write_text(folder.path() / "file", "");
  const auto file = [&](const char* name) { return error_of<RunError>([&] { check_writable_file(folder.path() / name); }); };
  EXPECT_EQ(file("new"), "no error");
  EXPECT_EQ(file("file"), "no error") << "written over";
  for (const char* name : {"gone/x", "file/x"})
    EXPECT_EQ(file(name), error_of<RunError>([&] { write_file_atomically(folder.path() / name, ""); }));
  EXPECT_EQ(file(""), folder.path().string() + "/: cannot be written: Is a directory");
  const auto made = [&](const char* name) { return error_of<RunError>([&] { check_writable_folder(folder.path() / name); }); };
  EXPECT_EQ(made("a/b/c"), "no error");
  EXPECT_EQ(made("file/a"), (folder.path() / "file/a").string() + ": cannot be made: Not a directory");
  EXPECT_FALSE(fs::exists(folder.path() / "a"));
}

}  // namespace
}  // namespace emotion
