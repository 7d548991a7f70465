// Folders of one's own: what is taken, what is refused, and what is said of the rest.
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import_plain_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using FolderImportTest = PlainImportFixture;

std::vector<std::string> split_names(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const auto& [name, file] : dataset.splits) names.push_back(name);
  return names;
}

std::int64_t of_class(const std::vector<std::string>& lines, const std::string& cls) {
  return std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return line.ends_with(" " + cls); });
}

TEST_F(FolderImportTest, FoldersOfSplitsHaveManyNames) {
  for (const auto& [train, val, test] :
       {std::array<std::string, 3>{"train", "valid", "Test"}, {"Training", "validation", "TESTING"}, {"TRAIN", "dev", "test"}}) {
    fs::remove_all(photos());
    forget();
    write_pictures(train + "/joy", 4);
    write_pictures(val + "/joy", 3);
    write_pictures(test + "/joy/deep", 2);
    const Dataset dataset = import_photos();
    EXPECT_THAT(split_names(dataset), ElementsAre("train", "val", "test")) << train;
    EXPECT_THAT(lines(dataset, "train"), SizeIs(4));
    EXPECT_THAT(lines(dataset, "val"), SizeIs(3));
    EXPECT_THAT(lines(dataset, "test"), ElementsAre(test + "/joy/deep/0.jpg joy", test + "/joy/deep/1.jpg joy"));
  }
}

TEST_F(FolderImportTest, NothingBesideFoldersOfSplitsIsLost) {
  write_pictures("train/joy", 4);
  write_text(photos() / "labels/list.txt", "no picture");
  write_pictures("holdout/joy", 1);
  EXPECT_EQ(folder_error(),
            ": folder 'holdout' holds pictures and is called as no split, which 'train' beside it is; known are train, training, "
            "val, valid, validation, dev, test, testing");
  fs::remove_all(photos() / "holdout");
  write_pictures("val/joy", 1);
  write_pictures("Valid/joy", 1);
  EXPECT_EQ(folder_error(), ": folders 'Valid' and 'val' are both split val; one of them is wanted");
  fs::remove_all(photos() / "Valid");
  const std::string already = ": folder 'train' is split train already; leave out --split and --stratify";
  EXPECT_EQ(folder_error({.split = "80/20"}), already);
  EXPECT_EQ(folder_error({.stratify = true}), already);
  write_text(photos() / "test/0.jpg", "x");  // a test set without labels
  EXPECT_EQ(folder_error(), "/test: no class folders with images; ROOT/SPLIT/CLASS/image.jpg is wanted");
  fs::remove_all(photos() / "test");
  EXPECT_THAT(split_names(import_photos()), ElementsAre("train", "val"));
}

TEST_F(FolderImportTest, FilesThatAreNoPicturesByTheirNamesAreCounted) {
  write_pictures("joy", 5);
  write_pictures("fear", 5);
  for (const char* name : {"joy/a.jfif", "joy/b.JPE", "joy/c.heic", "fear/d.avif", "fear/deep/e.AVIF", "joy/plain", "joy/.hidden",
                           "joy/Thumbs.db", "loose.jpg", "list.csv"})
    write_text(photos() / name, "x");
  const Dataset dataset = import_photos();
  EXPECT_EQ(lines(dataset, "train").size() + lines(dataset, "val").size(), 12U) << "with .jfif and .jpe";
  EXPECT_THAT(log(), AllOf(HasSubstr(photos().string() +
                                     ": 4 files are no pictures by their names: 2 .avif, 1 without a suffix, 1 .heic\n"),
                           HasSubstr(photos().string() + ": 1 pictures lie in no class folder and are left out\n")));
}

TEST_F(FolderImportTest, ClassesWithoutAPictureArePassedOver) {
  write_pictures("joy", 5);
  write_pictures("fear", 5);
  fs::create_directories(photos() / "empty");
  write_text(photos() / "notes/read.me", "x");
  EXPECT_THAT(import_photos().classes, ElementsAre("fear", "joy"));
  EXPECT_THAT(log(), HasSubstr(photos().string() + ": class folders without an image are passed over: empty, notes\n"));
  fs::remove_all(photos() / "joy");
  fs::remove_all(photos() / "fear");
  forget();
  EXPECT_EQ(folder_error(), ": no class folders with images; ROOT/CLASS/image.jpg is wanted");
}

TEST_F(FolderImportTest, TheSetIsCalledAsItsFolder) {
  write_pictures("joy", 5);
  for (const std::string ending : {"", "/", "/.", "/joy/.."}) {
    forget();
    import_folder({.root = photos().string() + ending, .out = out_});
    EXPECT_EQ(Dataset::open(out_).name, "photos") << ending;
  }
}

// 8 classes of 6: each gives 4.8, 0.6 and 0.6, which is 5 and one for val or test, so that both get four.
// What `..` leads to from behind a link is not what it leads to from the link's name.
TEST_F(FolderImportTest, ALinkedOutFindsItsPictures) {
  write_pictures("joy", 10);
  fs::create_directories(folder_.path() / "disk/deep");
  fs::create_directory_symlink("disk/deep", out_);
  EXPECT_TRUE(fs::exists(Manifest::open(import_photos(), "train").image_path(0)));
}

TEST_F(FolderImportTest, StratifyDividesEachClass) {
  for (const char* cls : {"a", "b", "c", "d", "e", "f", "g", "h"}) write_pictures(cls, 6);
  const Dataset dataset = import_photos({.split = "80/10/10", .seed = 3, .stratify = true});
  const auto train = lines(dataset, "train");
  EXPECT_THAT(train, SizeIs(40));
  EXPECT_THAT(lines(dataset, "val"), SizeIs(4));
  EXPECT_THAT(lines(dataset, "test"), SizeIs(4));
  for (const std::string& cls : dataset.classes) EXPECT_EQ(of_class(train, cls), 5) << cls;
  EXPECT_THAT(log(), HasSubstr("classes without a sample: val has none of "));
  EXPECT_THAT(log(), Not(HasSubstr("--stratify")));
}

TEST_F(FolderImportTest, ClassesThatVanishFromASplitAreNamed) {
  write_pictures("train/awe", 2);
  write_pictures("train/fear", 2);
  write_pictures("test/awe", 2);
  for (int i = 0; i < 7; ++i) write_pictures(fmt::format("train/c{}", i), 1);
  import_photos();
  EXPECT_THAT(log(), HasSubstr("classes without a sample: test has none of c0, c1, c2, c3, c4 and 3 more\n"));
  fs::remove_all(photos());
  forget();
  write_pictures("awe", 50);
  write_pictures("fear", 1);
  import_photos();
  EXPECT_THAT(log(), HasSubstr(" has none of fear; --stratify divides each class\n"));
}

TEST_F(FolderImportTest, RatiosOfAnySumSayWhatTheyAre) {
  write_pictures("joy", 90);
  const Dataset dataset = import_photos({.split = "70/10/10"});
  EXPECT_THAT(lines(dataset, "train"), SizeIs(70));
  EXPECT_THAT(log(), HasSubstr("the parts of the ratio 70/10/10 add up to 90, not 100: train 77.8 %, val 11.1 %, test 11.1 %\n"));
  EXPECT_THAT(log(), HasSubstr("1 classes; train 70, val 10, test 10\n"));
}

TEST_F(FolderImportTest, ARatioWithoutAFiniteSumIsRefused) {
  write_pictures("joy", 9);
  EXPECT_EQ(folder_error({.split = "1e308/1e308"}),
            "--split is '1e308/1e308'; 80/20 (train/val) or 80/5/15 (train/val/test) is wanted");
}

TEST_F(FolderImportTest, PolarityFollowsNamesThatAreAllKnown) {
  write_pictures("Joy", 5);
  write_pictures("angry", 5);
  const Dataset known = import_photos();
  EXPECT_THAT(known.positive, ElementsAre("Joy"));
  EXPECT_THAT(known.negative, ElementsAre("angry"));
  EXPECT_THAT(log(), HasSubstr("polarity by the names of the classes: positive Joy; negative angry\n"));
  forget();
  write_pictures("neutral", 5);
  const Dataset unknown = import_photos();
  EXPECT_THAT(unknown.positive, IsEmpty());
  EXPECT_THAT(unknown.negative, IsEmpty());
  forget();
  const Dataset given = import_photos({.polarity = {{"neutral"}, {"angry"}}});
  EXPECT_THAT(given.positive, ElementsAre("neutral"));
  EXPECT_THAT(given.negative, ElementsAre("angry"));
  forget();
  EXPECT_EQ(folder_error({.polarity = {{}, {"angri"}}}), "--negative: there is no class 'angri'; did you mean angry?");
  EXPECT_EQ(folder_error({.polarity = {{"Joy"}, {"Joy"}}}), "--positive and --negative name class 'Joy' twice");
}

TEST_F(FolderImportTest, PublishedSetsAreStratifiedWhereTheirSplitIsDrawn) {
  request_.split = "50/50";
  request_.stratify = true;
  const Dataset dataset = import("emotionroi", "emotionroi");
  const auto test = lines(dataset, "test");
  EXPECT_THAT(test, SizeIs(9));
  for (const std::string& cls : dataset.classes) {  // three of each
    EXPECT_GE(of_class(test, cls), 1) << cls;
    EXPECT_LE(of_class(test, cls), 2) << cls;
  }
  request_.split = "";
  out_ = folder_.path() / "published";
  EXPECT_EQ(import_error("emotionroi", fixture("emotionroi")), "--stratify: the split is published; --split RATIO draws another");
  request_.folds = 5;
  EXPECT_EQ(import_error("emotionroi", fixture("emotionroi")), "--folds deals every class evenly; leave out --stratify");
}

}  // namespace
}  // namespace emotion
