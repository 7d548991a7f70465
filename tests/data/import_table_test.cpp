// Tables of one's own: columns, paths and labels as they come.
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import_plain_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using TableImportTest = PlainImportFixture;

TEST_F(TableImportTest, APathIsOneHoweverItIsWritten) {
  write_pictures("x", 4);
  EXPECT_EQ(table_error("image,label\n./x/0.jpg,joy\nx//0.jpg,joy\n"), "table.csv:3: image x/0.jpg stands in line 2 as well");
  EXPECT_EQ(table_error("image,label\nx/0.jpg,joy\n" + (photos() / "x/0.jpg").string() + ",joy\n"),
            "table.csv:3: image x/0.jpg stands in line 2 as well");
  const std::string absolute = (photos() / "x/3.jpg").string();
  const Dataset dataset = import_table(
      "image,label,part\n./x/0.jpg,joy,train\nx/../x/1.jpg,joy,train\n" + absolute + ",joy,train\n", {.split_column = "part"});
  EXPECT_THAT(lines(dataset, "train"), ElementsAre("x/0.jpg joy", "x/1.jpg joy", "x/3.jpg joy"));
}

TEST_F(TableImportTest, PathsOutsideTheRootAndWithBackslashesAreRefused) {
  write_pictures("x", 1);
  const std::string outside = (folder_.path() / "table.csv").string();
  EXPECT_EQ(table_error("image,label\n" + outside + ",joy\n"),
            "table.csv:2: '" + outside + "' is an absolute path, a path below '" + photos().string() + "' is needed");
  const std::string back = (photos() / "../table.csv").string();
  EXPECT_THAT(table_error("image,label\n" + back + ",joy\n"), HasSubstr("is an absolute path, a path below"));
  EXPECT_EQ(table_error("image,label\nx/../../table.csv,joy\n"),
            "table.csv:2: 'x/../../table.csv' leaves '" + photos().string() + "'");
  const std::string too_long(300, 'n');
  EXPECT_EQ(table_error("image,label\nx/0.jpg,joy\n" + too_long + ",joy\n"),
            "table.csv:3: " + (photos() / too_long).string() + ": File name too long");
  EXPECT_EQ(table_error("image,label\nx\\0.jpg,joy\n"),
            "table.csv:2: " + (photos() / "x\\0.jpg").string() + ": no such image; use / between folders");
}

TEST_F(TableImportTest, AnAbsolutePathMayPassALinkedRoot) {
  write_text(folder_.path() / "disk/a.jpg", "x");
  fs::create_directory_symlink("disk", photos());
  const std::string by_disk = (folder_.path() / "disk/a.jpg").string();
  const Dataset dataset = import_table("image,label,part\n" + by_disk + ",joy,train\n", {.split_column = "part"});
  EXPECT_THAT(lines(dataset, "train"), ElementsAre("a.jpg joy"));
}

TEST_F(TableImportTest, FieldsArePartedByWhatFindsTheColumns) {
  write_pictures("x", 3);
  for (const std::string table : {"image;label;part\nx/0.jpg;joy, loud;all\nx/1.jpg;\"fear;awe\";all\n",
                                  "image\tlabel\tpart\nx/0.jpg\tjoy, loud\tall\nx/1.jpg\tfear;awe\tall\n",
                                  "a;b,image,label,part\n1,x/0.jpg,\"joy, loud\",all\n1,x/1.jpg,fear;awe,all\n"}) {
    forget();
    EXPECT_THAT(lines(import_table(table, {.split_column = "part"}), "all"), ElementsAre("x/0.jpg joy, loud", "x/1.jpg fear awe"))
        << table;
  }
  forget();
  EXPECT_EQ(table_error("image;emotion\nx/0.jpg;joy\n"), "table.csv:1: there is no column 'label'; there are image, emotion");
  EXPECT_EQ(table_error("image;label\nx/0.jpg;joy\n", {.split_column = "part"}),
            "table.csv:1: there is no column 'part'; there are image, label");
}

TEST_F(TableImportTest, NumbersAreSortedByValueAndCapitalsTold) {
  write_pictures("x", 6);
  const auto classes = [&](const std::array<const char*, 4>& labels) {
    forget();
    std::string table = "image,label\n";
    for (std::size_t i = 0; i < 4; ++i) table += fmt::format("x/{}.jpg,{}\n", i, labels[i]);
    return import_table(table, {.split = "50/50"}).classes;
  };
  EXPECT_THAT(classes({"10", "2", "0", "1"}), ElementsAre("0", "1", "2", "10"));
  EXPECT_THAT(classes({"10", "2", "0", "one"}), ElementsAre("0", "10", "2", "one")) << "not all of them numbers";
  EXPECT_THAT(log(), Not(HasSubstr("capitals")));
  EXPECT_THAT(classes({"joy", "Joy", "fear", "JOY"}), ElementsAre("JOY", "Joy", "fear", "joy"));
  EXPECT_THAT(log(), HasSubstr("classes that differ in capitals alone are not one class: JOY/Joy/joy\n"));
}

TEST_F(TableImportTest, SplitsOfATableAreNotDividedAgain) {
  write_pictures("x", 1);
  EXPECT_EQ(table_error("image,label,part\nx/0.jpg,joy,train\n", {.split_column = "part", .stratify = true}),
            "--stratify: the splits stand in --split-column; leave one of them out");
}

}  // namespace
}  // namespace emotion
