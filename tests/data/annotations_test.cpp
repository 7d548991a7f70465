#include "emotion/data/annotations.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

class AnnotationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kError);
    write_text(root() / "dataset.yaml", "name: n\nclasses: [joy]\nsplits: {train: train.jsonl}\n");
    write_text(root() / "train.jsonl", "{\"image\": \"a.jpg\"}\n{\"image\": \"b/b.jpg\"}\n");
  }
  const std::filesystem::path& root() const { return folder_.path(); }
  std::string file() const { return (root() / "annotations/train.json").string(); }

  Annotations read(const std::string& annotations,
                   const std::string& images = R"({"id": 7, "file_name": "b/b.jpg", "width": 40, "height": 30},
                                                  {"id": 3, "file_name": "a.jpg", "width": 20, "height": 10},
                                                  {"id": 9, "file_name": "elsewhere.jpg", "width": 5, "height": 5})",
                   const std::string& categories = R"({"id": 5, "name": "dog"}, {"id": 2, "name": "cat"})") {
    write_text(file(),
               "{\"images\": [" + images + "], \"annotations\": [" + annotations + "], \"categories\": [" + categories + "]}");
    return Annotations::read(Manifest::open(Dataset::open(root()), "train"));
  }
  std::string error(const std::string& annotations) {
    return error_of<DataError>([&] { read(annotations); });
  }

  ScratchFolder folder_;
};

TEST_F(AnnotationsTest, IdsMayHaveGapsAndBoxesEndAtTheEdges) {
  const Annotations read_back =
      read(R"({"id": 1, "image_id": 7, "category_id": 5, "bbox": [30, 20, 50, 5], "area": 12.5, "iscrowd": 1},
                                        {"id": 2, "image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1]},
                                        {"id": 3, "image_id": 3, "category_id": 2, "bbox": [-5, 2, 10, 4]},
                                        {"id": 4, "image_id": 3, "category_id": 2, "bbox": [90, 2, 10, 4]},
                                        {"id": 5, "image_id": 3, "category_id": 2, "bbox": [1, 2, 0, 4]})");
  EXPECT_EQ(read_back.classes, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(read_back.boxes.size(), 2U);
  ASSERT_EQ(read_back.boxes[0].size(), 1U);  // two have no area in the picture
  EXPECT_EQ(read_back.boxes[0][0].box, (std::array<float, 4>{0, 2, 5, 6}));
  EXPECT_EQ(read_back.boxes[0][0].label, 0U);
  EXPECT_EQ(read_back.boxes[0][0].area, 40);
  ASSERT_EQ(read_back.boxes[1].size(), 1U);
  EXPECT_EQ(read_back.boxes[1][0].box, (std::array<float, 4>{30, 20, 40, 25}));
  EXPECT_EQ(read_back.boxes[1][0].area, 12.5);
  EXPECT_TRUE(read_back.boxes[1][0].crowd);
  EXPECT_EQ(read_back.sizes[1], (std::array<int, 2>{40, 30}));
}

TEST_F(AnnotationsTest, ErrorsNameTheFileAndTheId) {
  EXPECT_EQ(error(R"({"id": 8, "image_id": 4, "category_id": 2, "bbox": [0, 0, 1, 1]})"),
            file() + ": annotation 8: image_id 4 is not in 'images'");
  EXPECT_EQ(error(R"({"image_id": 7, "category_id": 3, "bbox": [0, 0, 1, 1]})"),
            file() + ": annotation 1 of the list: category_id 3 is not in 'categories'");
  EXPECT_EQ(error(R"({"id": 8, "image_id": 7, "category_id": 2, "bbox": [0, 0, 1]})"),
            file() + ": annotation 8: bbox is not a list of four numbers x y width height");
  EXPECT_EQ(error(R"({"id": 8, "image_id": "x", "category_id": 2})"),
            file() + ": annotation 8: 'image_id' is not a whole number");
  EXPECT_EQ(error(R"({"id": 8, "image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1]},
                     {"id": 8, "image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1]})"),
            file() + ": annotation id 8 stands twice");
  EXPECT_TRUE(error("{").starts_with(file() + ": not valid JSON: ")) << error("{");
  EXPECT_EQ(error_of<DataError>([&] { read("", R"({"id": 3, "file_name": "a.jpg", "width": 20, "height": 10})"); }),
            (root() / "train.jsonl").string() + ":2: image b/b.jpg has no entry in " + file());
  EXPECT_EQ(error_of<DataError>([&] {
              read("", R"({"id": 3, "file_name": "a.jpg", "width": 20, "height": 10},
                          {"id": 3, "file_name": "b/b.jpg", "width": 20, "height": 10})");
            }),
            file() + ": image id 3 stands twice");
  EXPECT_EQ(error_of<DataError>([&] { read("", R"({"id": 3, "file_name": "a.jpg", "width": 0, "height": 10})"); }),
            file() + ": image id 3: 0 x 10 pixels");
  EXPECT_EQ(error_of<DataError>([&] { read("", "", R"({"id": 1, "name": "cat"}, {"id": 2, "name": "cat"})"); }),
            file() + ": category 'cat' has the ids 1 and 2");
  EXPECT_EQ(error_of<DataError>([&] { read("", "", ""); }), file() + ": 'categories' is empty");
  write_text(file(), "{\"images\": []}");
  EXPECT_EQ(error_of<DataError>([&] { Annotations::read(Manifest::open(Dataset::open(root()), "train")); }),
            file() + ": there is no list 'categories'; a COCO file has images, annotations and categories");
  std::filesystem::remove(file());
  EXPECT_EQ(error_of<DataError>([&] { Annotations::read(Manifest::open(Dataset::open(root()), "train")); }),
            file() + ": there are no annotations; a detector needs boxes in COCO's format beside the manifest");
}

TEST_F(AnnotationsTest, EmptyAnnotationsAreNoError) {
  const Annotations nothing = read("");
  EXPECT_TRUE(nothing.boxes[0].empty() && nothing.boxes[1].empty());
}

TEST_F(AnnotationsTest, RelabelGoesByName) {
  Annotations a = read(R"({"id": 1, "image_id": 7, "category_id": 5, "bbox": [3, 2, 5, 5]})");
  a.relabel({"bird", "dog", "cat"}, file());
  EXPECT_EQ(a.boxes[1][0].label, 1U);
  EXPECT_EQ(error_of<DataError>([&] {
              a.relabel({"dogs", "cat"}, file());
            }),
            file() + ": category 'bird' is none of the detector's classes");
}

// The painter knows what it drew: boxes lie within the picture, things are spread over the classes, and the same seed gives the
// same.
TEST(SynthScenes, HaveBoxesAndMoods) {
  set_log_level(LogLevel::kError);
  const ScratchFolder folder;
  for (const char* name : {"one", "two"})
    write_synth(
        {.kind = "scenes", .out = folder.path() / name, .count = 60, .size = 64, .seed = 5, .workers = name[1] == 'n' ? 1 : 2});
  const Dataset dataset = Dataset::open(folder.path() / "one");
  EXPECT_EQ(dataset.classes.size(), 8U);
  EXPECT_EQ(dataset.positive.size(), 4U);
  const Manifest manifest = Manifest::open(dataset, "train");
  const Annotations annotations = Annotations::read(manifest);
  EXPECT_EQ(annotations.classes.size(), 28U);
  std::size_t boxes = 0;
  std::vector<bool> seen(28);
  for (const auto& sample : annotations.boxes) {
    boxes += sample.size();
    for (const AnnotatedBox& b : sample) {
      EXPECT_LT(b.box[0], b.box[2]);
      EXPECT_LE(b.box[3], 64);
      EXPECT_LE(b.area, (b.box[2] - b.box[0]) * (b.box[3] - b.box[1]));
      seen[b.label] = true;
    }
  }
  EXPECT_GT(boxes, 2 * manifest.size());
  EXPECT_GT(std::count(seen.begin(), seen.end(), true), 20);
  EXPECT_EQ(read_file(folder.path() / "one/annotations/train.json"), read_file(folder.path() / "two/annotations/train.json"));
}

}  // namespace
}  // namespace emotion
