#include "emotion/stimuli/region_file.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

class RegionFileTest : public ::testing::Test {
 protected:
  RegionFile two() const {
    return {.features = at::arange(6, at::kFloat).view({2, 3}),
            .boxes = at::tensor({0.F, 0.F, 4.F, 5.F, 1.F, 1.F, 2.F, 2.F}).view({2, 4}),
            .scores = at::tensor({0.9F, 0.5F}),
            .labels = at::tensor({1, 0}, at::kLong),
            .classes = {"sky", "tree"},
            .source = "weights 1"};
  }
  std::string error(const RegionFile& regions, std::int64_t width = 0) {
    write_region_file(file_, regions);
    return error_of<WeightsError>([&] { read_region_file(file_, width); });
  }
  ScratchFolder folder_;
  std::filesystem::path file_ = folder_.path() / "a.safetensors";
};

TEST_F(RegionFileTest, ComesBackWhole) {
  write_region_file(file_, two());
  const RegionFile back = read_region_file(file_, 3);
  EXPECT_TRUE(back.features.equal(two().features));
  EXPECT_TRUE(back.boxes.equal(two().boxes));
  EXPECT_TRUE(back.labels.equal(two().labels));
  EXPECT_EQ(back.classes, two().classes);
  EXPECT_EQ(back.source, "weights 1");
  EXPECT_FALSE(back.attributes.defined());
}

TEST_F(RegionFileTest, ProblemsAreNamed) {
  const std::string where = file_.string() + ": ";
  EXPECT_EQ(error(two(), 4), where + "features are 3 wide, 4 is wanted; the regions of a data set come from one detector");
  RegionFile r = two();
  r.features[1][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error(r), where + "features holds NaN or infinite values; extract the regions of this image again");
  r = two();
  r.boxes[1][2] = 0.5;
  EXPECT_EQ(error(r), where + "box 1 is inside out; x1 y1 x2 y2 with x1 <= x2 and y1 <= y2 is wanted");
  r = two();
  r.scores = r.scores.narrow(0, 0, 1);
  EXPECT_EQ(error(r), where + "2 features, 2 boxes of 4 numbers and 1 scores do not fit together");
  r = two();
  r.labels[0] = 2;
  EXPECT_EQ(error(r), where + "labels name no class of the file's list");
  for (const bool with_names : {true, false}) {
    r = two();
    r.labels[1] = -1;
    if (!with_names) r.classes.clear();
    EXPECT_EQ(error(r), where + "labels hold -1; they count from 0");
  }
  write_region_file(file_, two());
  StateDict named = read_safetensors(file_);
  named.metadata["classes"] = "[1, 2]";
  write_safetensors(file_, named);
  EXPECT_EQ(error_of<WeightsError>([&] { read_region_file(file_); }), where + "metadata 'classes' is no list of names");
  StateDict state;
  state.add("features", at::zeros({1, 2}));
  write_safetensors(file_, state);
  EXPECT_EQ(error_of<WeightsError>([&] { read_region_file(file_); }),
            where + "boxes is missing; a region file has features [n, F], boxes [n, 4] and scores [n]");
}

// A pixel more is what rounding and boxes that count their last pixel need.
TEST_F(RegionFileTest, BoxesOfAnotherPictureAreRefused) {
  RegionFile r = two();
  check_boxes_within(r, 4, 5, file_);
  check_boxes_within(r, 3, 4, file_);
  r.boxes[1][0] = 7.5;
  r.boxes[1][2] = 9;
  EXPECT_EQ(error_of<DataError>([&] { check_boxes_within(r, 4, 5, file_); }),
            file_.string() +
                ": box 1 (7.5 1.0 9.0 2.0) leaves the picture of 4 x 5 pixels; the regions are of another picture, or "
                "of another size of it");
  r.boxes[0][1] = -1e30;
  EXPECT_TRUE(
      error_of<DataError>([&] { check_boxes_within(r, 100, 100, file_); }).starts_with(file_.string() + ": box 0 (0.0 -10"));
}

}  // namespace
}  // namespace emotion
