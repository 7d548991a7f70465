#include "emotion/io/file.h"

#include <unistd.h>

#include <ostream>

#include <gtest/gtest.h>

#include "emotion/error.h"

namespace emotion {
namespace {
namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "emotion_file.XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
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

TEST_F(FileTest, ErrorsNameThePath) {
  try {
    read_file(folder);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_EQ(std::string(e.what()), folder.string() + ": is a folder, a file is needed");
  }
  EXPECT_THROW(write_file_atomically(folder / "no" / "file", "x"), RunError);
}

TEST_F(FileTest, APathMayNotLeaveItsRoot) {
  EXPECT_EQ(path_below("/root", "a/../b.jpg"), fs::path("/root/a/../b.jpg"));
  for (const char* bad : {"", "/etc/passwd", "../x", "a/../../x"}) EXPECT_THROW(path_below("/root", bad), DataError) << bad;
}

TEST_F(FileTest, AnEmptyFileMapsToNothing) {
  write_file_atomically(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

}  // namespace
}  // namespace emotion
