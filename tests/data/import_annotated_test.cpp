// Published data sets whose annotations lie in pickles, .npy, .mat and csv files (tests/reference/make_import_fixtures.py).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using AnnotatedTest = ImportFixture;

/// The boxes of a split, as `x y w h`.
std::vector<std::string> boxes(const Dataset& dataset, const std::string& split) {
  const Manifest manifest = Manifest::open(dataset, split);
  std::vector<std::string> boxes;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    boxes.emplace_back("none");
    if (const auto box = manifest[i].box) boxes.back() = fmt::format("{} {} {} {}", (*box)[0], (*box)[1], (*box)[2], (*box)[3]);
  }
  return boxes;
}

TEST_F(AnnotatedTest, AffectNetListsHaveAHeaderOrNone) {
  const Dataset dataset = import("affectnet", "affectnet_lists");
  EXPECT_THAT(dataset.classes, ElementsAre("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"));
  const std::string images = "Manually_Annotated_Images/";
  EXPECT_THAT(lines(dataset, "train"), ElementsAre(images + "1/a.jpg happy", images + "1/b.PNG neutral", images + "2/c.jpg anger",
                                                   images + "3/g.jpg fear"));
  EXPECT_THAT(boxes(dataset, "train"), ElementsAre("134 134 899 899", "10 10 50 60", "1 2 30 40", "none"));
  EXPECT_THAT(lines(dataset, "val"), ElementsAre(images + "4/h.jpg disgust"));
  EXPECT_EQ(text_of("missing.txt"), images + "2/gone.jpg\tno such file\n");
  EXPECT_THAT(log(), HasSubstr("training.csv: with a header line"));
  EXPECT_THAT(log(), HasSubstr("validation.csv: without a header line"));
  EXPECT_THAT(log(), HasSubstr("training.csv: contempt 1, none 1, no face 1 passed over"));
}

TEST_F(AnnotatedTest, AffectNetListsOfOtherHands) {
  const fs::path root = folder_.path() / "in";
  fs::copy(fixture("affectnet_lists"), root, fs::copy_options::recursive);
  const fs::path train = root / "Manually_Annotated_file_lists/training.csv";
  const fs::path val = root / "Manually_Annotated_file_lists/validation.csv";
  write_text(
      train,
      ",subdirectory_filepath,expression,Face_X,face_y,face_width,face_height\n"
      "0,1\\a.jpg,1,1,2,3,4\n1,Manually_Annotated_Images/1/b.PNG,0,5,6,7,8\n2,Manually_Annotated_Images\\2\\c.jpg,6,1,1,1,1\n");
  fs::remove(val);
  request_.format = "affectnet";
  request_.root = root;
  request_.out = out_;
  import_published(request_);
  const std::string images = "Manually_Annotated_Images/";
  const Dataset dataset = Dataset::open(out_);
  EXPECT_THAT(lines(dataset, "train"),
              ElementsAre(images + "1/a.jpg happy", images + "1/b.PNG neutral", images + "2/c.jpg anger"));
  EXPECT_THAT(boxes(dataset, "train"), ElementsAre("1 2 3 4", "5 6 7 8", "1 1 1 1"));
  EXPECT_FALSE(fs::exists(out_ / "missing.txt"));
  out_ = folder_.path() / "other";
  for (const std::string path : {"/data/1/a.jpg", "C:\\data\\a.jpg"}) {
    write_text(train, path + ",1,1,1,1,,1,0,0\n");
    EXPECT_EQ(import_error("affectnet", root), train.string() + ":1: '" + path + "' is an absolute path, NUMBER/FILE is wanted");
  }
}

TEST_F(AnnotatedTest, ASplitThatLosesEveryPictureIsNamed) {
  const fs::path root = folder_.path() / "in";
  fs::copy(fixture("affectnet_lists"), root, fs::copy_options::recursive);
  for (const char* folder : {"1", "2", "3"}) fs::remove_all(root / "Manually_Annotated_Images" / folder);
  const std::string gone = root.string() + ": none of the 5 pictures of split train can be used; Manually_Annotated_Images/";
  EXPECT_EQ(import_error("affectnet", root), gone + "3/g.jpg: no such file; --split 80/20 would split those that are there anew");
  write_text(root / "Manually_Annotated_Images/3/g.jpg", "<html>gone</html>");
  EXPECT_EQ(import_error("affectnet", root),
            gone + "3/g.jpg: a web page, not a picture; --split 80/20 would split those that are there anew");
  fs::remove_all(root / "Manually_Annotated_Images/4");
  EXPECT_EQ(import_error("affectnet", root),
            root.string() + ": none of the 6 pictures can be used; Manually_Annotated_Images/3/g.jpg: a web page, not a picture");
}

TEST_F(AnnotatedTest, AffectNet8AddsContempt) {
  const Dataset dataset = import("affectnet8", "affectnet_lists");
  EXPECT_THAT(dataset.classes, SizeIs(8));
  EXPECT_EQ(lines(dataset, "train")[3], "Manually_Annotated_Images/2/d.jpg contempt");
}

TEST_F(AnnotatedTest, AffectNetNumbersMayBeText) {
  // exp.npy: '1' as unicode, [3] as int64, '7' (contempt: no class of the seven); b'6' as bytes, 2 as float32.
  const Dataset dataset = import("affectnet", "affectnet_npy");
  EXPECT_THAT(lines(dataset, "train"), ElementsAre("train_set/images/0.jpg happy", "train_set/images/7.jpg surprise"));
  EXPECT_THAT(lines(dataset, "val"), ElementsAre("val_set/images/3.jpg anger", "val_set/images/5.jpg sad"));
}

TEST_F(AnnotatedTest, AffectNetFoldersAreIds) {
  const Dataset dataset = import("affectnet", "affectnet_folders");
  EXPECT_THAT(lines(dataset, "train"), SizeIs(7));
  EXPECT_EQ(lines(dataset, "val")[6], "val/6/x.jpg anger");
}

TEST_F(AnnotatedTest, AffectNetErrorsNameTheLineOrFile) {
  const fs::path list = folder_.path() / "in/training.csv";
  write_text(list, "a.jpg,1,1,1,1,,11,0,0\n");
  EXPECT_EQ(import_error("affectnet", folder_.path() / "in"), list.string() + ":1: expression is 11; 0 to 10 is wanted");
  write_text(list, "a.jpg,1,1,x,1,,1,0,0\n");
  EXPECT_EQ(import_error("affectnet", folder_.path() / "in"), list.string() + ":1: 'x' is no number");
  write_text(list, "a.jpg,1,1\n");
  EXPECT_EQ(import_error("affectnet", folder_.path() / "in"), list.string() + ":1: 3 fields, 9 are wanted");
  const fs::path npy = folder_.path() / "small/train_set/annotations/0_exp.npy";
  fs::create_directories(folder_.path() / "small/train_set/images");
  const auto error = [&](const std::string& bytes) {
    write_text(npy, bytes);
    const std::string text = import_error("affectnet", folder_.path() / "small");
    return text.substr(std::min(text.size(), npy.string().size()));
  };
  const auto header = [](const std::string& text) {
    return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size()) + '\0' + text;
  };
  EXPECT_EQ(error("nonsense but long enough"), ": no .npy array");
  EXPECT_EQ(error(header("{'descr': '|O', 'fortran_order': False, 'shape': (), }")), ": items of type O0 are not read");
  EXPECT_EQ(error(header("{'descr': '>i4', 'fortran_order': False, 'shape': (), }") + "1234"),
            ": items of type >i4 are not read");
  EXPECT_EQ(error(header("{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999,), }") + "1234"),
            ": 4 bytes for 99999999999 items of 4 bytes");
  EXPECT_EQ(error(header("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }") + "1234"),
            ": 4 bytes for 2 items of 4 bytes");
  EXPECT_EQ(error(header("{'descr': '|S2', 'fortran_order': False, 'shape': (), }") + "no"), ": 'no' is no number");
  EXPECT_EQ(error(std::string("\x93NUMPY\x01\x00\xff\xff", 10) + "{}"),
            ": truncated within its .npy header: 65535 bytes in a file of 12");
}

TEST_F(AnnotatedTest, EmoticMatHasOneSampleAPerson) {
  const Dataset dataset = import("emotic", "emotic");
  EXPECT_THAT(dataset.classes, SizeIs(26));
  EXPECT_EQ(dataset.classes[9], "Doubt/Confusion");
  EXPECT_THAT(lines(dataset, "train"),
              ElementsAre("mscoco/images/COCO_1.jpg Disconnection Doubt/Confusion", "mscoco/images/COCO_1.jpg Peace"));
  EXPECT_THAT(boxes(dataset, "train"), ElementsAre("0 0 2 3", "0 1 3 2")) << "x1 y1 x2 y2 to x y w h, cut at 0";
  EXPECT_THAT(lines(dataset, "val"), ElementsAre("emodb_small/images/e1.jpg Excitement Happiness Pleasure"));
  EXPECT_EQ(rows(dataset).at("emodb_small/images/e1.jpg"),
            "Excitement Happiness Pleasure votes Excitement 1 Happiness 2 Pleasure 1");
  EXPECT_THAT(lines(dataset, "test"), ElementsAre("mscoco/images/COCO_2.jpg Anger Sadness"));
  const std::string file = (fixture("emotic") / "Annotations/Annotations.mat").string();
  EXPECT_EQ(text_of("missing.txt"),
            "framesdb/images/frame_a.jpg\t" + file +
                ": train(2).person(1): the person has no body box\nade20k/images/missing.jpg\tno such file\n");
  EXPECT_THAT(log(),
              HasSubstr("emotic: train: 3 images, 4 persons, 0 with combined categories; 1 without box, 0 without category"));
}

TEST_F(AnnotatedTest, EmoticCsvColumnsComeFromTheHeader) {
  const Dataset dataset = import("emotic", "emotic_csv");
  EXPECT_THAT(lines(dataset, "train"),
              ElementsAre("mscoco/images/COCO_1.jpg Disconnection Doubt/Confusion", "mscoco/images/COCO_1.jpg Peace"));
  EXPECT_THAT(boxes(dataset, "train"), ElementsAre("86 58 478 570", "0 5 20 25"));
  EXPECT_THAT(lines(dataset, "val"), ElementsAre("ade20k/images/a.jpg Yearning Sympathy"));
  EXPECT_THAT(lines(dataset, "test"), ElementsAre("framesdb/images/f.jpg Fear")) << "a NaN among the dimensions does no harm";
}

TEST_F(AnnotatedTest, EmoticErrors) {
  const fs::path root = folder_.path() / "in";
  fs::create_directories(root / "mscoco/images");
  const fs::path table = root / "train.csv";
  const std::string head = "Index,Folder,Filename,BBox,Categorical_Labels\n";
  write_text(table, head + "0,mscoco/images,a.jpg,\"[1, 2, 3]\",\"['Fear']\"\n");
  EXPECT_EQ(import_error("emotic", root), table.string() + ":2: '[1, 2, 3]' is not [x1, y1, x2, y2]");
  write_text(table, head + "0,mscoco/images,a.jpg,\"[1, 2, 3, 4]\",\"['Feer']\"\n");
  EXPECT_EQ(import_error("emotic", root), table.string() + ":2: unknown category 'Feer'; did you mean Fear?");
  write_text(table, head + "0,/data/x,a.jpg,\"[1, 2, 3, 4]\",\"['Fear']\"\n");
  EXPECT_EQ(import_error("emotic", root),
            table.string() + ":2: '/data/x/a.jpg' is an absolute path, a path below '" + root.string() + "' is needed");
  write_text(table, "Index,Folder\n");
  EXPECT_EQ(import_error("emotic", root), table.string() + ":1: there is no column 'Filename'; there are Index, Folder");
  const fs::path mat = root / "Annotations/Annotations.mat";
  write_text(mat, std::string(500, 'x'));
  EXPECT_EQ(import_error("emotic", root), mat.string() + ": not a .mat file");
  std::string cut = read_file(fixture("emotic") / "Annotations/Annotations.mat");
  for (const std::size_t size :
       {std::size_t{130}, std::size_t{200}, cut.size() / 2}) {  // named or short of samples; never a crash
    write_text(mat, cut.substr(0, size));
    EXPECT_NE(import_error("emotic", root), "no error");
  }
}

TEST_F(AnnotatedTest, StockEmotionItemsOfEveryForm) {
  const Dataset dataset = import("stockemotion", "stockemotion");
  EXPECT_THAT(dataset.classes, ElementsAre("abandoned", "abuse", "calm", "joy", "zest"));
  EXPECT_THAT(lines(dataset, "train"), ElementsAre("1/10.jpg joy calm", "1/11.jpg abandoned", "2/12.jpg zest"));
  const Manifest train = Manifest::open(dataset, "train");
  std::vector<std::string_view> words;
  for (const auto id : train[1].keywords) words.push_back(train.word(id));
  EXPECT_THAT(words, ElementsAre("St John's wort", "caf\u00e9", "abandoned"));
  EXPECT_THAT(lines(dataset, "val"), ElementsAre("1/13.jpg abuse"));
  EXPECT_EQ(rows(dataset).at("1/14.jpg"), "joy calm votes calm 1 joy 2");
  EXPECT_THAT(text_of("urls.tsv"), HasSubstr("2/12.jpg\thttps://t4.ftcdn.net/jpg/240_F_12.jpg\n"));
  EXPECT_THAT(log(), HasSubstr("stockemotion: 5 emotions; published: 690"));
  EXPECT_THAT(log(), HasSubstr("stockemotion: 5 URLs in dataset_image_urls_240.pkl"));
}

TEST_F(AnnotatedTest, StockEmotionPicturesLieInAFolderOfAnyName) {
  using namespace std::string_literals;
  const std::string picture = read_file(fixture("affectnet_lists") / "Manually_Annotated_Images/1/a.jpg");
  const auto train_of = [&](const std::string& name, const std::string& folder, const std::string& pickle) {
    const fs::path root = folder_.path() / name, list = root / "data_v1/CNNsplit_key690_train.pkl";
    fs::copy(fixture("stockemotion"), root, fs::copy_options::recursive);
    if (!pickle.empty()) write_text(list, pickle);
    fs::create_directories(root / "images/nothing");
    for (const std::string file : {"1/10.jpg", "1/11.jpg", "1/13.jpg", "1/14.jpg", "images/10/a.jpg"})
      write_text(root / folder / file, picture);
    request_.format = "stockemotion";
    request_.root = root;
    request_.out = out_ = folder_.path() / (name + "_out");
    import_published(request_);
    const Dataset dataset = Dataset::open(out_);
    EXPECT_TRUE(fs::equivalent(dataset.images(), root / folder)) << name;
    return lines(dataset, "train");
  };
  EXPECT_THAT(train_of("named", "stock pictures", ""), ElementsAre("1/10.jpg joy calm", "1/11.jpg abandoned"));
  EXPECT_THAT(train_of("root", "", ""), ElementsAre("1/10.jpg joy calm", "1/11.jpg abandoned"));
  EXPECT_THAT(train_of("below", "",
                       "\x80\x02](](X\x0f\x00\x00\x00images/10/a.jpgK\x01"
                       "ee."s),
              ElementsAre("images/10/a.jpg abuse"));
}

TEST_F(AnnotatedTest, StockEmotionErrors) {
  const fs::path root = folder_.path() / "in";
  fs::copy(fixture("stockemotion"), root, fs::copy_options::recursive);
  const fs::path val = root / "data_v1/CNNsplit_key690_val.pkl";
  const auto error = [&](const std::string& pickle) {
    write_text(val, pickle);
    const std::string text = import_error("stockemotion", root);
    return text.substr(std::min(text.size(), val.string().size()));
  };
  using namespace std::string_literals;
  EXPECT_EQ(error("\x80\x02]K\x07"
                  "a."),
            ": item 0: [path, emotion ids, ..] is wanted");
  const std::string path =
      "X\x01\x00\x00\x00"s
      "a";
  EXPECT_EQ(error("\x80\x02](]("s + path +
                  "K\x07"
                  "ee."),
            ": item 0: emotion id 7 is none of the 5");
  EXPECT_EQ(error("\x80\x02](]("s + path + "]ee."), ": item 0: it has no emotion");
  EXPECT_THAT(error("\x80\x02](](X\x06\x00\x00\x00/d.jpgK\x01"
                    "ee."s),
              ::testing::StartsWith(": item 0: '/d.jpg' is an absolute path, a path below"));
  EXPECT_EQ(error("\x80\x02K\x07."s), ": a list is wanted");
  EXPECT_EQ(error("\x80\x02"
                  "cos\nsystem\n."s),
            ": refused: it wants to call os.system; only plain data are read (byte 13)");
  fs::copy(root / "data_v1/CNNsplit_key690_train.pkl", root / "data_v1/other_train.pkl");
  EXPECT_EQ(import_error("stockemotion", root),
            root.string() +
                ": 2 pickles of split train: data_v1/CNNsplit_key690_train.pkl, data_v1/other_train.pkl; give the folder of "
                "one version as --root");
  fs::remove_all(root / "idx2name");
  fs::remove(root / "data_v1/other_train.pkl");
  EXPECT_EQ(import_error("stockemotion", root), root.string() + ": etag2idx.pkl.keep (idx2name/ of the release) is missing");
}

TEST_F(AnnotatedTest, Se30k8TakesAMajorityOfFive) {
  const Dataset dataset = import("se30k8", "se30k8");
  EXPECT_THAT(dataset.classes, ElementsAre("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise(negative)",
                                           "surprise(positive)"));
  const auto all = rows(dataset);
  EXPECT_EQ(all.size(), 13U);
  EXPECT_EQ(all.at("images/000000/123456.jpg"), "happiness votes happiness 3 neutral 1 sadness 1 surprise(positive) 1");
  EXPECT_EQ(all.at("images/000000/9.jpg"), "surprise(negative) votes anger 2 surprise(negative) 3");
  EXPECT_THAT(text_of("urls.tsv"), HasSubstr("images/000000/8.jpg\thttps://t4.ftcdn.net/jpg/240_F_8.jpg\n"));
  EXPECT_THAT(log(),
              HasSubstr("15 pictures in mturk_annotations_240.pkl.keep; 1 have no emotion that 3 people share, 1 have no votes: "
                        "left out"));
  EXPECT_THAT(log(), HasSubstr("se30k8: no split is published: 22/3/5 drawn by seed 1"));
}

TEST_F(AnnotatedTest, Se30k8PicturesAreFoundById) {
  request_.split = "50/50";
  const Dataset dataset = import("se30k8", "se30k8_pictures");
  const auto all = rows(dataset);
  EXPECT_EQ(all.size(), 2U);
  EXPECT_TRUE(all.contains("000000/123456.jpg"));
  EXPECT_THAT(text_of("missing.txt"), HasSubstr("images/000000/8.jpg\tno such file\n"));
  EXPECT_THAT(text_of("urls.tsv"), HasSubstr("images/000000/8.jpg\thttps://t4.ftcdn.net/jpg/240_F_8.jpg\n"));
}

}  // namespace
}  // namespace emotion
