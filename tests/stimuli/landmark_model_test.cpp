#include <functional>

#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/error.h"
#include "emotion/stimuli/faces.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

/// The smallest landmark model there can be, as dlib writes it: one cascade of one tree with one split.
struct Model {
  std::int64_t version = 1, rows = 136, trees = 1, pixel = 0, leaves = 2, anchor = 30, offsets = 2, exponent = 0;
  std::string tail;

  static std::string integer(std::int64_t value) {
    std::string bytes;
    std::uint64_t magnitude = value < 0 ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    do {
      bytes += static_cast<char>(magnitude & 0xff);
      magnitude >>= 8;
    } while (magnitude != 0);
    return static_cast<char>(bytes.size() | (value < 0 ? 0x80 : 0)) + bytes;
  }
  std::string number(std::int64_t mantissa) const { return integer(mantissa) + integer(exponent); }
  std::string column(std::int64_t value) const {
    std::string bytes = integer(-rows) + integer(-1);
    for (int i = 0; i < 136; ++i) bytes += number(value * (i % 7));
    return bytes;
  }
  std::string bytes() const {
    std::string all = integer(version) + column(1) + integer(1) + integer(trees);
    all += integer(1) + integer(pixel) + integer(1) + number(3);  // one split: pixels 0 and 1
    all += integer(leaves) + column(0) + column(0);
    all += integer(1) + integer(2) + integer(anchor) + integer(31);                        // anchors
    all += integer(1) + integer(offsets) + number(0) + number(0) + number(0) + number(0);  // offsets x, y
    return all + tail;
  }
};

class LandmarkModelTest : public testing::Test {
 protected:
  std::string error(const std::string& bytes) {
    write_text(file_, bytes);
    return error_of<WeightsError>([&] { check_landmark_model(file_); });
  }
  std::string refused(const std::string& what) const {
    return file_.string() + ": not a usable landmark model of 68 points (" + what +
           "); install Debian's package libdlib-data, which has it, or name another with --landmarks";
  }
  ScratchFolder folder_;
  fs::path file_ = folder_.path() / "model.dat";
};

TEST_F(LandmarkModelTest, AnswersDlibsOwnFormat) {
  ASSERT_EQ(error(Model().bytes()), "no error");
  // dlib reads what the check lets pass.
  FaceFinder finder{FaceOptions{.landmarks = file_}};
  const auto face = finder.largest(decode_image(fs::path(EMOTION_TEST_DATA) / "fixtures/faces.png"));
  ASSERT_TRUE(face);
  EXPECT_EQ(face->landmarks.size(), 68U);
}

TEST_F(LandmarkModelTest, NamesWhatIsWrong) {
  EXPECT_EQ(error(Model{.version = 2}.bytes()), refused("version 2 is not 1"));
  EXPECT_EQ(error(Model{.rows = 10}.bytes()), refused("mean shape is [10, 1], not [136, 1]"));
  EXPECT_EQ(error(Model{.rows = std::int64_t{1} << 40}.bytes()), refused("mean shape is [1099511627776, 1], not [136, 1]"));
  EXPECT_EQ(error(Model{.trees = std::int64_t{1} << 50}.bytes()), refused("1125899906842624 trees"));
  EXPECT_EQ(error(Model{.pixel = -1}.bytes()), refused("a split of a negative pixel"));
  EXPECT_EQ(error(Model{.pixel = 2}.bytes()), refused("a split looks at pixel 2 of 2"));
  EXPECT_EQ(error(Model{.leaves = 4}.bytes()), refused("4 leaves for 1 splits"));
  EXPECT_EQ(error(Model{.anchor = 68}.bytes()), refused("an anchor at landmark 68"));
  EXPECT_EQ(error(Model{.offsets = 1}.bytes()), refused("1 offsets for 2 anchors"));
  EXPECT_EQ(error(Model{.exponent = 32002}.bytes()), refused("a number that is not finite"));
  EXPECT_EQ(error(Model{.tail = "more"}.bytes()), refused("4 bytes behind its end"));
  EXPECT_EQ(error("<html>not found</html>"), refused("an integer of no valid size"));
}

TEST_F(LandmarkModelTest, NoBeginningOfItPasses) {
  const std::string whole = Model().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_NE(error(whole.substr(0, size)), "no error") << size;
  }
}

TEST_F(LandmarkModelTest, NamesThePackageThatHasIt) {
  const fs::path missing = folder_.path() / "none.dat";
  EXPECT_EQ(
      error_of<WeightsError>([&] { find_landmark_model(missing); }),
      missing.string() +
          ": there is no landmark model; install Debian's package libdlib-data, which has it, or name another with --landmarks");
  write_text(missing.string() + ".bz2", "packed");
  EXPECT_EQ(error_of<WeightsError>([&] { find_landmark_model(missing); }),
            missing.string() + ".bz2: the landmark model is still packed; bunzip2 --keep " + missing.string() + ".bz2");
}

}  // namespace
}  // namespace emotion
