#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "../support/tiny_detector.h"
#include "emotion/data/decode.h"
#include "emotion/data/manifest.h"
#include "emotion/io/file.h"
#include "emotion/report/picture.h"
#include "emotion/report/region_picture.h"
#include "emotion/stimuli/region_file.h"

// emotion_data regions as a command: what is kept, what is named, what is drawn.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Mean absolute difference of two pictures' values, or of those alone in which `b` is not `other`.
double difference(const Image& a, const Image& b, const Image* other = nullptr) {
  double sum = 0;
  int count = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    if (other && other->pixels.at(i) == b.pixels.at(i)) continue;
    sum += std::abs(a.pixels[i] - b.pixels.at(i));
    ++count;
  }
  return sum / std::max(count, 1);
}

class RegionsCommandTest : public ::testing::Test {
 protected:
  RegionsCommandTest() {
    write_tiny_detector(file("detector.safetensors"), {"sun", "dog"});
    fs::create_directories(file("set"));
    fs::copy_file(fs::path(EMOTION_TEST_DATA) / "../stimuli/fixtures/faces.png", file("set/people.png"));
    write_text(file("set/dataset.yaml"), "classes: [awe]\nsplits: {all: all.jsonl}\n");
    write_text(file("set/all.jsonl"), "{\"image\": \"people.png\"}\n");
  }
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  std::string regions(const Words& more) const {
    const auto result = command(
        folder_.path(), joined({"emotion_data", "regions", "set", "--checkpoint", "detector.safetensors", "--top", "3"}, more));
    EXPECT_EQ(result.code, 0) << result.errors;
    return result.output;
  }
  RegionFile read() const { return read_region_file(file("set/regions/people.png.safetensors")); }
  ScratchFolder folder_;
};

// The names are no part of what the detector found: they are put into what is there, and nothing is looked for again.
TEST_F(RegionsCommandTest, OtherNamesAreWrittenIntoTheFilesThatAreKept) {
  EXPECT_THAT(regions({}), HasSubstr("1 images; 1 looked at now"));
  const RegionFile before = read();
  EXPECT_THAT(before.classes, ElementsAre("sun", "dog"));
  EXPECT_EQ(before.top, 3);
  write_text(file("objects.txt"), "lamp,light\ncat\n");
  EXPECT_THAT(regions({"--objects", "objects.txt"}), HasSubstr("1 images; 0 looked at now"));
  const RegionFile after = read();
  EXPECT_THAT(after.classes, ElementsAre("lamp", "cat"));
  EXPECT_TRUE(after.features.equal(before.features));
  EXPECT_TRUE(after.labels.equal(before.labels));
  EXPECT_EQ(after.top, 3);
  const auto written = fs::last_write_time(file("set/regions/people.png.safetensors"));
  regions({"--objects", "objects.txt"});
  EXPECT_EQ(fs::last_write_time(file("set/regions/people.png.safetensors")), written);
}

// A wide and a tall picture: neither is padded because of the other.
TEST_F(RegionsCommandTest, RegionsDependOnNoOtherPicture) {
  const Image wide = decode_image(file("set/people.png"));
  Image tall{wide.width / 3, wide.height, {}};
  for (int i = 0; i < tall.width * tall.height; ++i) {
    const int from = 3 * (i / tall.width * wide.width + i % tall.width);
    tall.pixels.insert(tall.pixels.end(), wide.pixels.begin() + from, wide.pixels.begin() + from + 3);
  }
  write_file_atomically(file("set/tall.png"), encode_png(tall));
  write_text(file("set/all.jsonl"), "{\"image\": \"people.png\"}\n{\"image\": \"tall.png\"}\n");
  const std::vector<std::string> names{"people.png", "tall.png"};
  const auto path = [&](const std::string& name) { return file("set/regions/" + name + ".safetensors"); };
  regions({"--batch", "1"});
  std::vector<RegionFile> alone;
  for (const auto& name : names) alone.push_back(read_region_file(path(name)));
  const auto expect_same = [&](const char* when) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const RegionFile now = read_region_file(path(names[i]));
      ASSERT_EQ(now.boxes.sizes(), alone[i].boxes.sizes()) << when;
      EXPECT_TRUE(at::allclose(now.boxes, alone[i].boxes, 1e-5, 1e-3)) << names[i] << " " << when;
      EXPECT_TRUE(at::allclose(now.scores, alone[i].scores, 1e-5, 1e-5)) << names[i] << " " << when;
      EXPECT_TRUE(at::allclose(now.features, alone[i].features, 1e-5, 1e-5)) << names[i] << " " << when;
    }
  };
  regions({"--batch", "2", "--anew"});
  expect_same("together");
  fs::remove(path("tall.png"));
  EXPECT_THAT(regions({"--batch", "2"}), HasSubstr("2 images; 1 looked at now"));
  expect_same("one again");
}

TEST_F(RegionsCommandTest, PicturesShowTheRegions) {
  regions({"--pictures", "drawn"});
  const Image picture = decode_image(file("drawn/all-000000.jpg")), stored = decode_image(file("set/people.png"));
  const Image expected = draw_regions(stored, read());
  ASSERT_EQ(picture.width, expected.width);
  ASSERT_EQ(picture.height, expected.height);
  EXPECT_LT(difference(picture, expected), 4) << "levels of 255, what a JPEG may lose";
  // Where frames and names are, what is drawn is much nearer than what was there.
  const Image bare = draw_regions(stored, {.features = at::zeros({0, 1}), .boxes = at::zeros({0, 4}), .scores = at::zeros({0})});
  ASSERT_GT(difference(bare, expected), 0);
  EXPECT_LT(difference(picture, expected, &bare), 0.5 * difference(picture, bare, &expected));
}

// A set made from another names regions that lie there, beside those that are imported into its own folder.
TEST_F(RegionsCommandTest, PicturesOfADerivedSetShowTheRegionsOfBoth) {
  regions({});
  fs::copy_file(file("set/people.png"), file("set/7.png"));
  write_text(file("part/dataset.yaml"), "classes: [awe]\nsplits: {all: all.jsonl}\nimage_root: ../set\nstimuli_root: ../set\n");
  write_text(file("part/all.jsonl"), read_file(file("set/all.jsonl")) + "{\"image\": \"7.png\"}\n");
  const std::string table = (fs::path(EMOTION_TEST_DATA) / "../stimuli/fixtures/caffe.tsv").string();
  const auto result = command(folder_.path(), {"emotion_data", "regions", "part", "--import", table, "--pictures", "drawn"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_TRUE(fs::exists(file("part/regions/7.png.safetensors")));
  for (const char* picture : {"all-000000.jpg", "all-000001.jpg"}) EXPECT_TRUE(fs::exists(file("drawn") / picture)) << picture;
}

TEST_F(RegionsCommandTest, AnImportTakesNoFlagsOfADetector) {
  const std::vector<Words> all{{"--set", "model.detector.min_size=48"}, {"--anew"}, {"--batch", "2"}, {"--device", "cpu"}};
  for (const Words& flag : all) {
    EXPECT_EQ(error_of_command(folder_.path(), 2, joined({"emotion_data", "regions", "set", "--import", "gone.tsv"}, flag)),
              flag[0] + " does not go with --import: no detector looks for regions\n");
  }
}

// A grey picture of 600 x 400 is drawn as large as it is; every box is a frame two pixels wide in a colour of its own.
TEST(DrawRegions, FramesAndNames) {
  const Image grey{600, 400, std::vector<std::uint8_t>(600 * 400 * 3, 128)};
  RegionFile regions{.features = at::zeros({2, 1}),
                     .boxes = at::tensor({100.F, 150.F, 300.F, 350.F, 350.F, 100.F, 550.F, 300.F}).view({2, 4}),
                     .scores = at::tensor({0.9F, 0.4F})};
  const Image drawn = draw_regions(grey, regions);
  ASSERT_EQ(drawn.width, 600);
  ASSERT_EQ(drawn.height, 400);
  const auto pixel = [&](const Image& image, int x, int y) {
    const std::size_t at = 3 * (static_cast<std::size_t>(y) * 600 + static_cast<std::size_t>(x));
    return std::vector<int>{image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]};
  };
  EXPECT_THAT(pixel(drawn, 200, 350), ElementsAre(230, 159, 0)) << "the best region's lower edge";
  EXPECT_THAT(pixel(drawn, 350, 250), ElementsAre(86, 180, 233)) << "the second's left edge";
  EXPECT_THAT(pixel(drawn, 200, 250), ElementsAre(128, 128, 128)) << "within a box the picture stays";
  EXPECT_THAT(pixel(drawn, 30, 30), ElementsAre(128, 128, 128));
  // A name is drawn above the box, in its colour.
  regions.labels = at::tensor({0, 1}, at::kLong);
  regions.classes = {"a very long name of a thing", "dog"};
  const Image named = draw_regions(grey, regions);
  const auto colored = [&](const Image& image) {
    int count = 0;
    for (int x = 100; x < 500; ++x) count += pixel(image, x, 138) == std::vector<int>{230, 159, 0};
    return count;
  };
  EXPECT_GT(colored(named), colored(drawn) + 50);
  // Without a name its number stands there, whatever it is.
  regions.labels = at::tensor({-1, 5}, at::kLong);
  regions.classes = {};
  const Image numbered = draw_regions(grey, regions);
  regions.labels = at::tensor({0, 1}, at::kLong);
  regions.classes = {"-1", "5"};
  EXPECT_EQ(numbered.pixels, draw_regions(grey, regions).pixels);
  // A small picture is enlarged, so that names can be read.
  const Image small{60, 40, std::vector<std::uint8_t>(60 * 40 * 3, 128)};
  regions.boxes = regions.boxes / 10;
  EXPECT_EQ(draw_regions(small, regions).width, 480);
}

}  // namespace
}  // namespace emotion
