// Published data sets in miniature (tests/reference/make_import_fixtures.py): what the importers make of them, known by hand.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/data/import_formats.h"
#include "emotion/data/import_published.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "import_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using PublishedTest = ImportFixture;

TEST_F(PublishedTest, FiFoldersAreFoundBelowTheRootAndBrokenFilesListed) {
  const Dataset dataset = import("fi", "fi_folders");
  EXPECT_THAT(dataset.classes,
              ElementsAre("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness"));
  EXPECT_THAT(dataset.positive, ElementsAre("amusement", "awe", "contentment", "excitement"));
  EXPECT_THAT(dataset.negative, ElementsAre("anger", "disgust", "fear", "sadness"));
  // Nine usable pictures: .DS_Store, ._1.jpg and Thumbs.db are no samples, .JPG is a picture. The paper's 80/5/15 of 9:
  // parts end at 7.2, 7.65 and 9, rounded.
  EXPECT_EQ(lines(dataset, "train").size(), 7U);
  EXPECT_EQ(lines(dataset, "val").size(), 1U);
  EXPECT_EQ(lines(dataset, "test").size(), 1U);
  EXPECT_EQ(text_of("missing.txt"), "fear/fear_0002.jpg\ta web page, not a picture\nfear/fear_0003.jpg\tan empty file\n");
  EXPECT_THAT(log(), HasSubstr("fi: 9 samples; published: 23308; by class, published in brackets: amusement 1 (4942), anger 1 "
                               "(1266), awe 2 (3151)"));
  EXPECT_THAT(log(), HasSubstr("fi: no split is published: 80/5/15 drawn by seed 1"));
}

TEST_F(PublishedTest, FiSplitIsDrawnBySeedAndByRatio) {
  request_.split = "50/20/30";
  const Dataset dataset = import("fi", "fi_folders");
  EXPECT_THAT(dataset.splits, SizeIs(3));
  EXPECT_EQ(dataset.splits[1].first, "val");
  const auto first = lines(dataset, "train");
  EXPECT_EQ(lines(import("fi", "fi_folders", "again"), "train"), first);
  request_.seed = 2;
  EXPECT_NE(lines(import("fi", "fi_folders", "other"), "train"), first);
}

TEST_F(PublishedTest, FiListsKeepThreeAgreementsAndNameUrlsForFetching) {
  request_.split = "80/20";  // four rows: too few for the paper's three parts
  const Dataset dataset = import("fi", "fi_lists");
  EXPECT_EQ(dataset.image_root, ".");
  // Two servers end in xyz.jpg; one row has 2 agreements only, one repeats; the second list has a mark, bare CR and no last end.
  const std::string urls = text_of("urls.tsv");
  EXPECT_THAT(urls, HasSubstr("images/amusement/xyz.jpg\thttp://farm4.staticflickr.com/3776/xyz.jpg\n"));
  EXPECT_THAT(urls,
              ::testing::ContainsRegex("images/amusement/xyz_[0-9a-f]{16}.jpg\thttp://farm5.staticflickr.com/1111/xyz.jpg\n"));
  EXPECT_THAT(urls, HasSubstr("images/anger/b_n.jpg\thttps://scontent.cdninstagram.com/a/b_n.jpg?se=7&x=1\n"));
  EXPECT_THAT(urls, HasSubstr("images/anger/q.jpg\thttp://h.example/q\n"));
  EXPECT_EQ(std::count(urls.begin(), urls.end(), '\n'), 4);
  EXPECT_FALSE(fs::exists(out_ / "missing.txt"));
  EXPECT_THAT(log(), HasSubstr("fi: 2 agreement lists, 6 rows: 1 with fewer than 3 workers who agree and 1 repeated ones"));
}

TEST_F(PublishedTest, FiListErrorsNameTheLine) {
  const fs::path list = folder_.path() / "in/agg/awe_1.csv";
  const auto error = [&](const std::string& text) {
    write_text(list, text);
    return import_error("fi", folder_.path() / "in");
  };
  EXPECT_EQ(error("awe,http://a/b.jpg,0\n"), list.string() + ":1: 3 fields; emotion,url,disagree,agree are wanted");
  EXPECT_EQ(error("awe,http://a/b.jpg,0,5\nhope,http://a/c.jpg,0,5\n"), list.string() + ":2: unknown emotion 'hope'");
  EXPECT_EQ(error("awe,http://a/b.jpg,0,five\n"), list.string() + ":1: 'five' is no number of workers");
  EXPECT_EQ(error("awe,file:///etc/passwd,0,5\n"), list.string() + ":1: 'file:///etc/passwd' is no URL");
  EXPECT_EQ(error("awe,\"http://a/b.jpg,0,5\n"), list.string() + ":1: a quote is not closed");
  EXPECT_EQ(import_error("fi", fixture("ube") / "images/joy"),
            (fixture("ube") / "images/joy").string() +
                ": neither class folders (amusement, anger ..) nor agreement lists (agg/amusement_*.csv) are there");
}

TEST_F(PublishedTest, EmotionRoiFollowsTheGivenSplit) {
  const Dataset dataset = import("emotionroi", "emotionroi");
  EXPECT_THAT(dataset.positive, ElementsAre("joy", "surprise"));
  EXPECT_THAT(lines(dataset, "test"), ElementsAre("anger/3.jpg anger", "disgust/3.jpg disgust", "fear/3.jpg fear",
                                                  "joy/3.jpg joy", "sadness/3.jpg sadness", "surprise/3.jpg surprise"));
  EXPECT_EQ(lines(dataset, "train").size(), 12U);
  EXPECT_EQ(text_of("missing.txt"), "joy/9.jpg\tin neither list of the split\nsadness/77.jpg\tno such file\n");
  EXPECT_THAT(log(), HasSubstr("by split: train 12 (1386), test 6 (594)"));
}

TEST_F(PublishedTest, AGivenSplitIsSetAsideOnRequestAlone) {
  request_.split = "50/50";
  const Dataset dataset = import("emotionroi", "emotionroi");
  EXPECT_EQ(lines(dataset, "train").size(), 9U);
  EXPECT_THAT(log(), HasSubstr("emotionroi: the published split is set aside for --split 50/50"));
}

TEST_F(PublishedTest, EmotionRoiListErrors) {
  const fs::path root = folder_.path() / "roi";
  fs::copy(fixture("emotionroi"), root, fs::copy_options::recursive);
  const fs::path list = root / "training_testing_split/testing.txt";
  write_text(list, "anger/1.jpg\n");
  EXPECT_EQ(import_error("emotionroi", root), list.string() + ":1: anger/1.jpg stands twice in the lists");
  write_text(list, "hope/1.jpg\n");
  EXPECT_EQ(import_error("emotionroi", root), list.string() + ":1: 'hope/1.jpg' is not CLASS/FILE with one of the six classes");
  write_text(list, "anger/../../../1.jpg\n");
  EXPECT_EQ(import_error("emotionroi", root),
            list.string() + ":1: 'anger/../../../1.jpg' leaves '" + (root / "images").string() + "'");
  fs::remove(list);
  request_.format = "emotionroi";
  request_.root = root;
  import_published(request_);  // without the lists: drawn, and told
  EXPECT_THAT(log(), HasSubstr("has no training.txt and testing.txt: the published split is not known"));
  EXPECT_THAT(log(), HasSubstr("emotionroi: no split is published: 70/30 drawn by seed 1"));
}

TEST_F(PublishedTest, Emotion6GivesVotesOfTheDistribution) {
  const Dataset dataset = import("emotion6", "emotion6");
  const auto all = rows(dataset);
  ASSERT_EQ(all.size(), 12U);
  // 2/15, 21/30, 0, 2/30, 3/30: of 30 votes 4, 21, 0, 2 and 3.
  EXPECT_EQ(all.at("disgust/1.jpg"), "disgust votes anger 4 disgust 21 joy 2 sadness 3");
  EXPECT_EQ(all.at("disgust/2.jpg"), "disgust votes anger 6 disgust 3") << "neutral has the other 21";
  EXPECT_EQ(all.at("joy/1.jpg"), "joy") << "0.015 and 0.985 are no 30ths";
  EXPECT_THAT(log(),
              HasSubstr("emotion6: 3 rows of ground truth; in 1 another emotion, or neutral, leads than the folder's; 1 are "
                        "no 30ths and give no votes"));
  EXPECT_THAT(log(), HasSubstr("9 pictures stand in no row of ground_truth.txt"));
}

TEST_F(PublishedTest, ArtPhotoReadsTheClassFromTheName) {
  request_.folds = 2;
  const Dataset dataset = import("artphoto", "artphoto");
  EXPECT_THAT(dataset.splits, SizeIs(4));
  const auto test0 = lines(dataset, "fold0-test"), test1 = lines(dataset, "fold1-test");
  EXPECT_EQ(test0.size() + test1.size(), 10U);
  EXPECT_EQ(lines(dataset, "fold0-train"), test1) << "two folds: one's test is the other's training";
  EXPECT_THAT(rows(dataset).at("content_0001.jpg"), "contentment");
  EXPECT_THAT(rows(dataset).at("sad_0002.jpg"), "sadness");
  EXPECT_EQ(text_of("missing.txt"), "readme_0001.jpg\tits name begins with no class\n");
  EXPECT_THAT(log(), HasSubstr("class fear has 1 samples, fewer than 2 folds"));
}

TEST_F(PublishedTest, FoldsHoldEveryClassInEqualParts) {
  request_.folds = 5;
  const Dataset dataset = import("iapsa", "iapsa_folders");
  std::vector<std::string> all;
  for (int fold = 0; fold < 5; ++fold) {
    const auto test = lines(dataset, fmt::format("fold{}-test", fold));
    EXPECT_EQ(test.size(), fold == 0 ? 8U : 7U) << "seven classes of 5 pictures, and the one of anger in fold 0";
    EXPECT_EQ(lines(dataset, fmt::format("fold{}-train", fold)).size(), 36 - test.size());
    all.insert(all.end(), test.begin(), test.end());
    for (const char* cls : {"amusement", "awe", "sadness"})
      EXPECT_EQ(std::count_if(test.begin(), test.end(), [&](const auto& line) { return line.ends_with(cls); }), 1);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()) - all.begin(), 36) << "every picture is tested once";
}

TEST_F(PublishedTest, AbstractTakesTheClassWithMostVotes) {
  const Dataset dataset = import("abstract", "abstract");
  const auto all = rows(dataset);
  EXPECT_EQ(all.size(), 3U) << "one row is a tie, one picture is missing";
  EXPECT_EQ(all.at("abstract_0001.jpg"), "contentment votes amusement 2 awe 3 contentment 5 excitement 1 fear 2 sadness 1");
  EXPECT_EQ(all.at("abstract_0003.jpg"), "sadness votes sadness 9");
  EXPECT_EQ(text_of("missing.txt"), "abstract_0005.jpg\tno such file\n");
  EXPECT_THAT(log(), HasSubstr("abstract: 5 rows; 1 of them have no single class with most votes and are passed over"));
}

TEST_F(PublishedTest, AbstractErrorsNameTheCell) {
  const fs::path table = folder_.path() / "in/ABSTRACT_groundTruth.csv";
  write_text(table, "'','Amusement','Hope'\n'a.jpg',1,2\n");
  EXPECT_EQ(import_error("abstract", folder_.path() / "in"), table.string() + ":1: column 'Hope' is no class");
  write_text(table, "'','Amusement','Sad'\n'a.jpg',1,many\n");
  EXPECT_EQ(import_error("abstract", folder_.path() / "in"), table.string() + ":2: 'many' is no number of votes");
  write_text(table, "'','Amusement','Sad'\n'a.jpg',1\n");
  EXPECT_EQ(import_error("abstract", folder_.path() / "in"), table.string() + ":2: 2 fields, the header has 3");
}

TEST_F(PublishedTest, IapsNumbersMayHoldADot) {
  const auto all = rows(import("iapsa", "iapsa_list"));
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(all.at("pictures/1050.jpg"), "fear");
  EXPECT_EQ(all.at("pictures/2055.1.jpg"), "sadness");
  EXPECT_EQ(all.at("pictures/8185.JPG"), "excitement");
  EXPECT_EQ(text_of("missing.txt"), "9999\tno such file (mikels.csv:5)\n");
  EXPECT_THAT(log(), HasSubstr("iapsa: list mikels.csv of 4 pictures"));
}

TEST_F(PublishedTest, UbeTakesPicturesOfEveryDepth) {
  const auto all = rows(import("ube", "ube"));
  EXPECT_EQ(all.size(), 13U);
  EXPECT_EQ(all.at("joy/cat/1.jpg"), "joy");
  EXPECT_EQ(all.at("joy/dog/deeper/2.jpg"), "joy");
  EXPECT_THAT(log(), HasSubstr("ube: 13 samples; published: 3045"));
}

TEST_F(PublishedTest, LinkedFoldersAreFollowedAndLoopsEnd) {
  const fs::path root = folder_.path() / "in";
  fs::copy(fixture("ube"), root, fs::copy_options::recursive);
  fs::rename(root / "images/joy/dog", folder_.path() / "elsewhere");
  fs::create_directory_symlink(folder_.path() / "elsewhere", root / "images/joy/dog");
  fs::create_directory_symlink("..", root / "images/joy/cat/up");
  fs::create_directory_symlink(root / "images/joy", folder_.path() / "elsewhere/back");
  fs::create_symlink("itself", root / "images/joy/itself");
  fs::create_symlink("nowhere", root / "images/joy/gone");
  request_.format = "ube";
  request_.root = root;
  request_.out = out_;
  import_published(request_);
  const auto all = rows(Dataset::open(out_));
  EXPECT_THAT(all, SizeIs(13)) << "as without links";
  EXPECT_EQ(all.at("joy/dog/deeper/2.jpg"), "joy");
  EXPECT_THAT(log(), HasSubstr("joy: 2 links lead to neither a file nor a folder and are passed over; one is "));
}

TEST_F(PublishedTest, WebEmoHasPicturesUrlsAndSigns) {
  const Dataset dataset = import("webemo", "webemo");
  EXPECT_THAT(dataset.classes, SizeIs(25));
  EXPECT_EQ(dataset.classes[1], "cheerfullness") << "as published";
  EXPECT_THAT(dataset.positive, SizeIs(11));
  EXPECT_THAT(lines(dataset, "train"), ElementsAre("images/train25/0/220_F_1.jpg affection"));
  EXPECT_THAT(lines(dataset, "test"), ElementsAre("images/test25/2/220_F_3.jpg confusion"));
  EXPECT_EQ(text_of("missing.txt"), "images/train25/24/220_F_2.jpg\tno such file\n");
  EXPECT_EQ(text_of("urls.tsv"), "images/train25/24/220_F_2.jpg\thttps://as2.ftcdn.net/jpg/00/02/220_F_2.jpg\n");
}

TEST_F(PublishedTest, WebEmoErrors) {
  const fs::path root = folder_.path() / "web";
  fs::copy(fixture("webemo"), root, fs::copy_options::recursive);
  write_text(root / "test25.txt", "https://a/b.jpg 25\n");
  EXPECT_EQ(import_error("webemo", root),
            (root / "test25.txt").string() + ":1: 'https://a/b.jpg 25' is not URL and class id 0 to 24");
  fs::remove(root / "test25.txt");
  EXPECT_EQ(import_error("webemo", root), (root / "test25.txt").string() + ": the list is missing");
  write_text(root / "category.txt", "labels=[('affection','love','+')]\n");
  EXPECT_EQ(import_error("webemo", root),
            (root / "category.txt").string() + ": 3 names; 25 of ('class','group','sign') are wanted");
}

TEST_F(PublishedTest, EmoSetItemsHaveThreeOrFourParts) {
  const Dataset dataset = import("emoset", "emoset");
  EXPECT_THAT(dataset.classes,
              ElementsAre("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"));
  EXPECT_EQ(lines(dataset, "train")[1], "image/awe/awe_50001.jpg awe");
  EXPECT_EQ(lines(dataset, "test")[7], "image/sadness/sadness_40007.jpg sadness");
  EXPECT_THAT(log(), HasSubstr("emoset: test.json: 8 items of 3 parts"));
  EXPECT_THAT(log(), HasSubstr("emoset: train.json: 8 items of 4 parts"));
}

TEST_F(PublishedTest, EmoSetErrorsNameTheItem) {
  const fs::path list = folder_.path() / "in/train.json";
  write_text(list, "{\"a\": 1}");
  EXPECT_EQ(import_error("emoset", folder_.path() / "in"), list.string() + ": not a JSON list");
  write_text(list, "[[\"awe\", \"image/awe/1.jpg\", \"a.json\"], [\"hope\", \"image/hope/1.jpg\", \"a.json\"]]");
  EXPECT_EQ(import_error("emoset", folder_.path() / "in"), list.string() + ": item 1: unknown class 'hope'");
  write_text(list, "[[\"awe\", \"/data/1.jpg\", \"a.json\"]]");
  EXPECT_EQ(import_error("emoset", folder_.path() / "in"), list.string() +
                                                               ": item 0: '/data/1.jpg' is an absolute path, a path below '" +
                                                               (folder_.path() / "in").string() + "' is needed");
  write_text(list, "[[\"awe\", \"a.json\"]]");
  EXPECT_EQ(import_error("emoset", folder_.path() / "in"), list.string() + ": item 0: none of its parts is a picture");
}

TEST_F(PublishedTest, Fer2013PixelsBecomePngFiles) {
  const Dataset dataset = import("fer2013", "fer2013");
  EXPECT_THAT(dataset.classes, ElementsAre("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"));
  EXPECT_THAT(lines(dataset, "train"),
              ElementsAre("images/00000.png angry", "images/00001.png happy", "images/00004.png surprise"));
  EXPECT_THAT(lines(dataset, "val"), ElementsAre("images/00002.png neutral"));
  EXPECT_THAT(lines(dataset, "test"), ElementsAre("images/00003.png sad"));
  const Image image = decode_image(out_ / "images/00001.png");
  ASSERT_EQ(image.width, 48);
  ASSERT_EQ(image.height, 48);
  for (int i = 0; i < 48 * 48; ++i) ASSERT_EQ(image.pixels[static_cast<std::size_t>(3 * i)], (20 + i) % 256) << i;
  EXPECT_THAT(log(), HasSubstr("fer2013: 1 pictures are of one grey all over"));
  EXPECT_THAT(log(), HasSubstr("; by class in train, published in brackets: angry "));
}

TEST_F(PublishedTest, Fer2013ColumnsComeFromTheHeaderAndFolderIdsFromTheTable) {
  EXPECT_THAT(lines(import("fer2013", "fer2013_icml"), "train"), ElementsAre("images/00000.png fear"));
  const Dataset folders = import("fer2013", "fer2013_folders", "folders");
  EXPECT_EQ(folders.class_id("neutral"), 6U);
  EXPECT_EQ(lines(folders, "test").size(), 7U);
}

TEST_F(PublishedTest, Fer2013ErrorsNameTheRowAndLeaveNothing) {
  const fs::path table = folder_.path() / "in/fer2013.csv";
  const auto error = [&](const std::string& rows) {
    write_text(table, "emotion,pixels,Usage\n" + rows);
    const std::string text = import_error("fer2013", folder_.path() / "in");
    EXPECT_FALSE(fs::exists(out_ / "images"));
    return text.substr(std::min(text.size(), table.string().size()));
  };
  EXPECT_EQ(error("0,1 2 3,Training\n"), ":2: 3 pixels, 2304 (48x48) are wanted");
  EXPECT_EQ(error("0,1 2 256,Training\n"), ":2: pixel 2 is not a number from 0 to 255");
  EXPECT_EQ(error("7,1,Training\n"), ":2: emotion is '7'; 0 to 6 is wanted");
  std::string pixels;
  for (int i = 0; i < 2304; ++i) pixels += "9 ";
  EXPECT_EQ(error("0," + pixels + ",Train\n"), ":2: Usage is 'Train'; Training, PublicTest or PrivateTest is wanted");
  EXPECT_EQ(error("0," + pixels + "\n"), ":2: 2 fields, the header has 3");
}

// The pictures are written before the splits are drawn: what fails there must not stand in the way of the next try.
TEST_F(PublishedTest, Fer2013ThatFailsAfterItsPicturesCanBeTriedAgain) {
  const fs::path root = folder_.path() / "in";
  std::string pixels;
  for (int i = 0; i < 2304; ++i) pixels += "9 ";
  write_text(root / "fer2013.csv", "emotion,pixels,Usage\n0," + pixels + ",Training\n1," + pixels + ",Training\n");
  request_.split = "98/1/1";
  EXPECT_EQ(import_error("fer2013", root), "fer2013: split val would be empty; there are too few samples");
  EXPECT_FALSE(fs::exists(out_ / "images"));
  request_.split = "50/50";
  request_.root = root;
  EXPECT_EQ(error_of<Error>([&] { import_published(request_); }), "no error");
  EXPECT_TRUE(fs::exists(out_ / "images/00001.png"));
}

TEST_F(PublishedTest, ClassesCanBeLeftOut) {
  request_.without = {"anger"};
  request_.folds = 5;
  const Dataset dataset = import("iapsa", "iapsa_folders");
  EXPECT_THAT(dataset.classes, ElementsAre("amusement", "awe", "contentment", "disgust", "excitement", "fear", "sadness"));
  EXPECT_THAT(dataset.negative, ElementsAre("disgust", "fear", "sadness"));
  const auto all = rows(dataset);
  EXPECT_THAT(all, SizeIs(35)) << "36 pictures, one of anger";
  for (const auto& [image, labels] : all) EXPECT_THAT(labels, Not(HasSubstr("anger")));
  EXPECT_THAT(log(), HasSubstr("iapsa: without anger: 1 samples are left out"));
  request_.without = {"angr"};
  EXPECT_EQ(error_of<ConfigError>([&] { import("iapsa", "iapsa_folders", "other"); }),
            "--without: iapsa has no class 'angr'; did you mean anger?");
}

TEST_F(PublishedTest, VotesForAClassThatIsLeftOutGoToo) {
  request_.without = {"neutral", "fear"};
  const auto all = rows(import("ferplus", "fer2013"));
  EXPECT_THAT(all, SizeIs(2)) << "the third was labelled neutral";
  EXPECT_EQ(all.at("images/00004.png"), "surprise votes surprise 6 contempt 1");
}

TEST_F(PublishedTest, FerPlusLabelsByMostVotes) {
  const Dataset dataset = import("ferplus", "fer2013");
  EXPECT_EQ(dataset.classes[7], "contempt");
  const auto all = rows(dataset);
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(all.at("images/00000.png"), "neutral votes neutral 4 sadness 1 anger 3 disgust 2");
  EXPECT_EQ(all.at("images/00004.png"), "surprise votes surprise 6 fear 3 contempt 1");
  EXPECT_EQ(text_of("missing.txt"),
            "images/00002.png\tFERPlus: no class has most votes\nimages/00003.png\tFERPlus: not a face\n");
}

TEST_F(PublishedTest, WrongRequestsAreRefused) {
  EXPECT_THAT(import_error("fy", fixture("ube")),
              HasSubstr("import format 'fy' is not known; did you mean fi?; there are folder, csv, webdataset, "));
  EXPECT_THAT(import_error("webdatset", fixture("ube")), HasSubstr("; did you mean webdataset?; "));
  EXPECT_EQ(import_error("fi", folder_.path() / "none"), (folder_.path() / "none").string() + ": --root is not a folder");
  request_.folds = 1;
  EXPECT_EQ(import_error("ube", fixture("ube")), "--folds is 1; 2 to 100, or 0 for a split, is wanted");
  request_.folds = 5;
  request_.split = "80/20";
  EXPECT_EQ(import_error("ube", fixture("ube")), "--folds and --split exclude each other");
  request_ = {};
  import("ube", "ube");
  EXPECT_EQ(error_of<ConfigError>([&] { import("ube", "ube"); }),
            out_.string() + ": there is a data set already; give another --out");
}

TEST_F(PublishedTest, EveryFormatOfTheHelpIsKnown) {
  for (const auto& format : kImportFormatNames)
    EXPECT_THAT(import_error(std::string(format.name), folder_.path() / "none"), HasSubstr("--root is not a folder"))
        << format.name;
}

TEST_F(PublishedTest, RootsAndListsOfOtherLineEndsAndNoPictures) {
  fs::create_directories(folder_.path() / "empty");
  EXPECT_EQ(import_error("artphoto", folder_.path() / "empty"),
            (folder_.path() / "empty").string() +
                ": no sample found; is it the folder that emotion_data import --help describes for artphoto?");
  write_text(folder_.path() / "html/awe_1.jpg", "<html>gone</html>");
  EXPECT_EQ(import_error("artphoto", folder_.path() / "html"),
            (folder_.path() / "html").string() + ": none of the 1 pictures can be used; awe_1.jpg: a web page, not a picture");
}

}  // namespace
}  // namespace emotion
