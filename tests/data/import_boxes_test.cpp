#include <fmt/format.h>
#include <gmock/gmock.h>

#include "emotion/data/annotations.h"
#include "import_support.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BoxImportTest : public ImportFixture {
 protected:
  fs::path root() const { return folder_.path() / "root"; }
  fs::path out() const { return folder_.path() / "made"; }
  void picture(const std::string& name) { write_text(root() / name, "\xff\xd8\xff"); }
  void import_root(const std::string& format, const std::string& split = {}) {
    fs::remove_all(out());
    import_published({.format = format, .root = root(), .out = out(), .split = split});
  }
  std::string error(const std::string& format) {
    return error_of<Error>([&] { import_root(format); });
  }
};

const char* const kTrain = R"({"images": [{"id": 9, "file_name": "9.jpg", "width": 50, "height": 40},
                                          {"id": 4, "file_name": "4.jpg", "width": 50, "height": 40},
                                          {"id": 5, "file_name": "gone.jpg", "width": 50, "height": 40}],
  "annotations": [{"id": 1, "image_id": 9, "category_id": 90, "bbox": [1, 2, 3, 4], "area": 7.5, "iscrowd": 0, "segmentation": [[1, 2]]},
                  {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 50, 40], "iscrowd": 1},
                  {"id": 3, "image_id": 5, "category_id": 1, "bbox": [0, 0, 5, 4]}],
  "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]})";

TEST_F(BoxImportTest, Coco) {
  write_text(root() / "annotations/instances_train2017.json", kTrain);
  write_text(root() / "annotations/captions_train2017.json", "{}");
  picture("train2017/9.jpg");
  picture("train2017/4.jpg");
  import_root("coco");
  const Dataset dataset = Dataset::open(out());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"person", "toothbrush"}));
  EXPECT_EQ(lines(dataset, "train"), (std::vector<std::string>{"train2017/9.jpg person toothbrush", "train2017/4.jpg"}));
  const Annotations annotations = Annotations::read(Manifest::open(dataset, "train"));
  EXPECT_EQ(annotations.classes, dataset.classes);
  ASSERT_EQ(annotations.boxes[0].size(), 2U);
  EXPECT_EQ(annotations.boxes[0][0].label, 1U);
  EXPECT_EQ(annotations.boxes[0][0].box, (std::array<float, 4>{1, 2, 4, 6}));
  EXPECT_EQ(annotations.boxes[0][0].area, 7.5);
  EXPECT_TRUE(annotations.boxes[0][1].crowd);
  EXPECT_TRUE(annotations.boxes[1].empty());
}

TEST_F(BoxImportTest, CocosOwnFileIsNotReplaced) {
  const fs::path file = root() / "annotations/train.json";
  write_text(file, kTrain);
  picture("train/9.jpg");
  EXPECT_EQ(error_of<ConfigError>([&] { import_published({.format = "coco", .root = root(), .out = root()}); }),
            file.string() + ": there is such a file already; give another --out");
  EXPECT_EQ(read_file(file), kTrain);
  for (const char* name : {"train.jsonl", "missing.txt", "dataset.yaml"}) EXPECT_FALSE(fs::exists(root() / name)) << name;
}

/// A COCO file of one picture with a box of each category, in the order given: box k begins at x = k.
std::string coco_file(int image, const std::vector<std::pair<int, std::string>>& categories, const std::vector<int>& boxes) {
  std::string names, annotations;
  for (const auto& [id, name] : categories)
    names += fmt::format("{}{{\"id\": {}, \"name\": \"{}\"}}", names.empty() ? "" : ", ", id, name);
  for (std::size_t k = 0; k < boxes.size(); ++k) {
    annotations += fmt::format("{}{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, 0, 5, 5]}}", k ? ", " : "",
                               k + 1, image, boxes[k], k);
  }
  return fmt::format(
      "{{\"images\": [{{\"id\": {0}, \"file_name\": \"{0}.jpg\", \"width\": 50, \"height\": 40}}], "
      "\"annotations\": [{1}], \"categories\": [{2}]}}",
      image, annotations, names);
}

// A split that is read later may bring a category that comes before those of the splits before it.
TEST_F(BoxImportTest, CocoCategoriesOfALaterSplitMoveNoLabel) {
  write_text(root() / "annotations/train.json", coco_file(1, {{2, "dog"}, {3, "cat"}}, {2, 3}));
  write_text(root() / "annotations/val.json", coco_file(2, {{1, "person"}, {2, "dog"}, {3, "cat"}}, {3, 1}));
  picture("train/1.jpg");
  picture("val/2.jpg");
  import_root("coco");
  const Dataset dataset = Dataset::open(out());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"person", "dog", "cat"}));
  EXPECT_EQ(lines(dataset, "train"), (std::vector<std::string>{"train/1.jpg dog cat"}));
  EXPECT_EQ(lines(dataset, "val"), (std::vector<std::string>{"val/2.jpg person cat"}));
  const auto names = [&](const std::string& split) {
    const Annotations annotations = Annotations::read(Manifest::open(dataset, split));
    std::vector<std::string> all;
    for (const AnnotatedBox& box : annotations.boxes[0]) all.push_back(annotations.classes[box.label]);
    return all;
  };
  EXPECT_EQ(names("train"), (std::vector<std::string>{"dog", "cat"}));
  EXPECT_EQ(names("val"), (std::vector<std::string>{"cat", "person"}));
}

TEST_F(BoxImportTest, CocoPicturesThatAreMissingAreListed) {
  std::string text = kTrain;
  text.replace(text.find("\"9.jpg\""), 7, "\"first_is_gone.jpg\"");
  write_text(root() / "annotations/instances_train2017.json", text);
  picture("train2017/4.jpg");
  write_text(root() / "train2017/gone.jpg", "<html>no such picture</html>");
  import_root("coco");
  EXPECT_EQ(lines(Dataset::open(out()), "train"), (std::vector<std::string>{"train2017/4.jpg"}));
  EXPECT_EQ(read_file(out() / "missing.txt"),
            "train2017/first_is_gone.jpg\tno such file\ntrain2017/gone.jpg\ta web page, not a picture\n");
  EXPECT_THAT(log(), HasSubstr("coco: 2 pictures are left out with their boxes, listed with the reason in "));
}

TEST_F(BoxImportTest, ACocoSplitThatLosesEveryPictureIsNamed) {
  write_text(root() / "annotations/train.json", coco_file(1, {{2, "dog"}}, {2}));
  write_text(root() / "annotations/val.json", coco_file(2, {{2, "dog"}}, {2}));
  write_text(root() / "train/1.jpg", "<html>no such picture</html>");
  picture("val/2.jpg");
  EXPECT_EQ(error("coco"),
            root().string() + ": none of the 1 pictures of split train can be used; train/1.jpg: a web page, not a picture");
}

// What every reader of the result would refuse is refused here, where the file is that must be mended.
TEST_F(BoxImportTest, CocoNamesThatStandTwice) {
  const fs::path file = root() / "annotations/train.json";
  picture("images/9.jpg");
  std::string text = kTrain;
  text.replace(text.find("\"4.jpg\""), 7, "\"9.jpg\"");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": image '9.jpg' has the ids 9 and 4");
  text = kTrain;
  text.replace(text.find("\"toothbrush\""), 12, "\"person\"");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": category 'person' has the ids 90 and 1");
  write_text(file, coco_file(9, {{2, "dog"}}, {2}));
  const fs::path val = root() / "annotations/val.json";
  write_text(val, coco_file(9, {{1, "dog"}}, {1}));
  EXPECT_EQ(error("coco"), val.string() + ": category 'dog' has the ids 2 and 1");
  EXPECT_FALSE(fs::exists(out() / "dataset.yaml"));
}

TEST_F(BoxImportTest, CocoErrors) {
  const fs::path file = root() / "annotations/train.json";
  fs::create_directories(root());
  EXPECT_EQ(error("coco"),
            (root() / "annotations").string() + ": there is no such folder; COCO's annotations are unpacked into it");
  write_text(file, kTrain);
  EXPECT_EQ(error("coco"),
            root().string() +
                ": 9.jpg is neither in train, images/train, images nor the folder itself, and so are the next 2; are the "
                "pictures unpacked?");
  picture("images/9.jpg");
  std::string text = kTrain;
  text.replace(text.find("\"4.jpg\""), 7, "\"/d/4.jpg\"");
  write_text(file, text);
  EXPECT_EQ(error("coco"),
            file.string() + ": image 4: '/d/4.jpg' is an absolute path, a path below '" + root().string() + "' is needed");
  text = kTrain;
  text.replace(text.find("\"category_id\": 90"), 17, "\"category_id\": 91");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": annotation 1: category_id 91 is not in 'categories'");
  text = kTrain;
  text.replace(text.find("\"image_id\": 5"), 13, "\"image_id\": 6");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": annotation 3: image_id 6 is not in 'images'");
  text = kTrain;
  text.replace(text.find("\"9.jpg\""), 7, "\"../x\"");
  write_text(file, text);
  EXPECT_NE(error("coco").find("../x"), std::string::npos);
  text = kTrain;
  text.replace(text.find("[1, 2, 3, 4]"), 12, "[1, 2, 1e39, 4]");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": annotation 1: its box 1 2 1e+39 4 is out of range");
  text = kTrain;
  text.replace(text.find("\"width\": 50"), 11, "\"width\": 4294967346");
  write_text(file, text);
  EXPECT_EQ(error("coco"), file.string() + ": image 9: 'width' is 4294967346; 1 to 2^20 pixels are possible");
  EXPECT_FALSE(fs::exists(out() / "dataset.yaml"));
}

class VisualGenomeTest : public BoxImportTest {
 protected:
  void SetUp() override {
    BoxImportTest::SetUp();
    write_text(root() / "image_data.json",
               R"([{"image_id": 1, "width": 50, "height": 40}, {"image_id": 2, "width": 50, "height": 40},
      {"image_id": 3, "width": 50, "height": 40}, {"image_id": 7, "width": 50, "height": 40}])");
    write_text(root() / "objects.json", R"([{"image_id": 1, "objects": [
        {"object_id": 1, "x": 1, "y": 2, "w": 3, "h": 4, "names": ["Tree "]},
        {"object_id": 2, "x": 0, "y": 0, "w": 9, "h": 9, "names": ["stopsign"]}]},
      {"image_id": 2, "objects": [{"object_id": 3, "x": 5, "y": 5, "w": 9, "h": 9, "names": ["tree"]},
                                  {"object_id": 4, "x": 5, "y": 5, "w": 9, "h": 9, "names": ["unheard of"]}]},
      {"image_id": 3, "objects": []}, {"image_id": 7, "objects": []}])");
    picture("VG_100K/1.jpg");
    picture("VG_100K_2/2.jpg");
    picture("VG_100K_2/3.jpg");
  }
};

TEST_F(VisualGenomeTest, WithTheVocabularyAndListsOfBottomUpAttention) {
  write_text(root() / "objects_vocab.txt", "stop sign,stopsign\ntree");
  write_text(root() / "train.txt", "VG_100K_2/2.jpg xml/2.xml\nVG_100K/1.jpg xml/1.xml\nVG_100K/7.jpg xml/7.xml\n");
  write_text(root() / "val.txt", "VG_100K_2/3.jpg xml/3.xml\n");
  import_root("visualgenome");
  const Dataset dataset = Dataset::open(out());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"stop sign", "tree"}));
  EXPECT_EQ(lines(dataset, "train"), (std::vector<std::string>{"VG_100K_2/2.jpg tree", "VG_100K/1.jpg stop sign tree"}));
  EXPECT_EQ(lines(dataset, "val"), (std::vector<std::string>{"VG_100K_2/3.jpg"}));
  const Annotations annotations = Annotations::read(Manifest::open(dataset, "train"));
  EXPECT_EQ(annotations.boxes[0].size(), 1U);
  EXPECT_EQ(annotations.boxes[1][0].box, (std::array<float, 4>{1, 2, 4, 6}));
  EXPECT_EQ(read_file(out() / "missing.txt"), "7.jpg\tno such file in VG_100K, VG_100K_2 and images\n");
  EXPECT_THAT(log(),
              HasSubstr("visualgenome: 3 samples; published: 108077; by split: train 2 (98077), val 1 (5000), test 0 (5000)"));
}

TEST_F(VisualGenomeTest, NamesThatStandTwice) {
  write_text(root() / "objects_vocab.txt", "stop sign,stopsign\ntree\nStop sign\n");
  EXPECT_EQ(error("visualgenome"), (root() / "objects_vocab.txt").string() + ":3: class 'stop sign' stands twice");
  write_text(root() / "objects_vocab.txt", "tree\n");
  write_text(root() / "train.txt", "VG_100K/1.jpg xml/1.xml\nVG_100K_2/2.jpg xml/2.xml\nVG_100K/1.jpg xml/1.xml\n");
  EXPECT_EQ(error("visualgenome"), (root() / "train.txt").string() + ":3: picture 1 stands twice");
}

TEST_F(VisualGenomeTest, WithoutThemTheMostFrequentNamesAndADrawnSplit) {
  import_root("visualgenome", "60/40");
  const Dataset dataset = Dataset::open(out());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"tree", "stopsign", "unheard of"}));
  EXPECT_EQ(Manifest::open(dataset, "train").size() + Manifest::open(dataset, "val").size(), 3U);
}

TEST_F(VisualGenomeTest, NumbersOutOfRangeAreRefused) {
  std::string text = read_file(root() / "objects.json");
  text.replace(text.find("\"w\": 3"), 6, "\"w\": 1e39");
  write_text(root() / "objects.json", text);
  EXPECT_EQ(error("visualgenome"),
            (root() / "objects.json").string() + ": image 1: an object: its box 1 2 1e+39 4 is out of range");
  text = read_file(root() / "image_data.json");
  text.replace(text.find("\"height\": 40"), 12, "\"height\": 4294967336");
  write_text(root() / "image_data.json", text);
  EXPECT_EQ(error("visualgenome"),
            (root() / "image_data.json").string() + ": image 1: 'height' is 4294967336; 1 to 2^20 pixels are possible");
}

TEST_F(VisualGenomeTest, AnUnknownImageIsNamed) {
  write_text(
      root() / "objects.json",
      R"([{"image_id": 5, "objects": []}, {"image_id": 1, "objects": [{"x": 1, "y": 1, "w": 1, "h": 1, "names": ["a"]}]}])");
  EXPECT_EQ(error("visualgenome"), (root() / "objects.json").string() + ": image 5 is not in image_data.json");
}

}  // namespace
}  // namespace emotion
