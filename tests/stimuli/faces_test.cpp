#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/error.h"
#include "emotion/random.h"
#include "emotion/stimuli/faces.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

const fs::path kFixtures = fs::path(EMOTION_TEST_DATA) / "fixtures";

/// What a chip says, whatever the resampling: mean absolute difference of grey levels.
double difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum / static_cast<double>(a.size());
}

// faces.json: what Python's dlib 20 finds in the drawn picture (tests/reference/make_face_goldens.py).
TEST(FaceFinder, FindsWhatPythonsDlibFinds) {
  const auto golden = nlohmann::json::parse(std::ifstream(kFixtures / "faces.json"));
  const Image image = decode_image(kFixtures / "faces.png");
  const FaceFinder first{FaceOptions{}};
  FaceFinder finder = first.copy();
  const auto faces = finder.detect(image);
  ASSERT_EQ(faces.size(), golden["faces"].size());
  for (std::size_t f = 0; f < faces.size(); ++f) {
    const auto& wanted = golden["faces"][f];
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(faces[f].box[i], wanted["box"][i].get<double>(), 1) << f << ' ' << i;
    EXPECT_NEAR(faces[f].score, wanted["score"].get<double>(), 0.02);
  }
  const auto face = finder.largest(image);
  ASSERT_TRUE(face);
  EXPECT_EQ(face->box, faces[0].box);
  ASSERT_EQ(face->landmarks.size(), 68U);
  for (std::size_t i = 0; i < 68; ++i) {
    EXPECT_NEAR(face->landmarks[i].x, golden["landmarks"][i][0].get<double>(), 1) << i;
    EXPECT_NEAR(face->landmarks[i].y, golden["landmarks"][i][1].get<double>(), 1) << i;
  }
  ASSERT_EQ(face->pixels.size(), 48U * 48U);
  EXPECT_LT(difference(face->pixels, golden["aligned"].get<std::vector<std::uint8_t>>()), 1.0);

  const auto other = finder.largest(image, std::array<float, 4>{200, 0, 100, 200});  // the right part: the smaller face
  ASSERT_TRUE(other);
  EXPECT_EQ(other->box, faces[1].box);
  EXPECT_FALSE(finder.largest(image, std::array<float, 4>{0, 0, 20, 20}));
}

TEST(FaceFinder, GivesNoneWhereThereIsNone) {
  FaceFinder finder{FaceOptions{.max_side = 64}};
  EXPECT_FALSE(finder.largest(Image{1, 1, {10, 20, 30}}));
  EXPECT_FALSE(finder.largest(Image{1, 300, std::vector<std::uint8_t>(900, 128)}));
  Image noise{150, 130, std::vector<std::uint8_t>(150 * 130 * 3)};
  Random random{7};
  for (auto& value : noise.pixels) value = static_cast<std::uint8_t>(random.below(256));
  EXPECT_FALSE(finder.largest(noise));
  // 300 x 200 shrunk to 64: the face that is 90 pixels high has 20 then, 40 doubled, too few for the detector.
  EXPECT_FALSE(finder.largest(decode_image(kFixtures / "faces.png")));
}

TEST(FaceFinder, RefusesOptionsThatMakeNoSense) {
  const auto error = [](const FaceOptions& options) { return error_of<ConfigError>([&] { FaceFinder finder{options}; }); };
  EXPECT_EQ(error({.size = 4}), "--size is 4; 8 to 1024 pixels are possible");
  EXPECT_EQ(error({.padding = -0.5}), "--padding is -0.5; 0 to 4 is possible");
  EXPECT_EQ(error({.upsample = 9}), "--upsample is 9; 0 to 3 is possible");
  EXPECT_EQ(error({.max_side = 10}), "--max-side is 10; 64 to 16384 pixels, or 0 for no limit, are possible");
  EXPECT_EQ(error({.threshold = NAN}), "--threshold is not a finite number");
}

TEST(FaceFinder, NamesCnnWeightsThatAreNone) {
  const ScratchFolder folder;
  write_text(folder.path() / "cnn.dat", "these are no weights");
  const std::string text = error_of<WeightsError>([&] { FaceFinder finder{FaceOptions{.cnn = folder.path() / "cnn.dat"}}; });
  EXPECT_EQ(text.find((folder.path() / "cnn.dat").string() +
                      ": not the weights of dlib's CNN face detector (mmod_human_face_detector.dat): "),
            0U)
      << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

/// A picture of a smooth pattern in a face's own coordinates, and 68 landmarks on it; the face lies at (x, y), turned by `angle`
/// and `scale` pixels wide.
struct Pattern {
  double x, y, scale, angle;

  FacePoint place(double u, double v) const {
    return {x + scale * (u * std::cos(angle) - v * std::sin(angle)), y + scale * (u * std::sin(angle) + v * std::cos(angle))};
  }
  Image draw(int side) const {
    Image image{side, side, {}};
    for (int row = 0; row < side; ++row) {
      for (int column = 0; column < side; ++column) {
        const double dx = (column - x) / scale, dy = (row - y) / scale;
        const double u = dx * std::cos(angle) + dy * std::sin(angle), v = -dx * std::sin(angle) + dy * std::cos(angle);
        const auto level = static_cast<std::uint8_t>(128 + 60 * std::sin(7 * u) + 60 * std::cos(5 * v + 2 * u));
        image.pixels.insert(image.pixels.end(), {level, level, level});
      }
    }
    return image;
  }
  std::vector<FacePoint> landmarks() const {
    std::vector<FacePoint> points;
    for (int i = 0; i < 68; ++i) points.push_back(place(0.4 * std::cos(i * 0.37), 0.45 * std::sin(i * 0.61)));
    return points;
  }
};

TEST(AlignFace, TakesOutTurnSizeAndPlace) {
  const Pattern upright{200, 200, 260, 0}, turned{230, 180, 200, 0.6};
  const auto a = align_face(upright.draw(400), upright.landmarks(), 48, 0.25);
  const auto b = align_face(turned.draw(400), turned.landmarks(), 48, 0.25);
  ASSERT_EQ(a.size(), 48U * 48U);
  EXPECT_LT(difference(a, b), 4);  // landmarks are whole pixels
  // A pattern that is turned the other way is another face.
  const Pattern other{230, 180, 200, -0.6};
  EXPECT_GT(difference(a, align_face(turned.draw(400), other.landmarks(), 48, 0.25)), 12);
  // More padding shows more around the landmarks: the inner part is the same picture, smaller.
  EXPECT_EQ(align_face(upright.draw(400), upright.landmarks(), 64, 1.0).size(), 64U * 64U);
  EXPECT_EQ(error_of<DataError>([&] { align_face(upright.draw(40), {}, 48, 0.25); }), "a face is aligned by 68 landmarks, not 0");
}

TEST(AlignFace, IsGreyByBt601) {
  Image red{200, 200, {}};
  for (int i = 0; i < 200 * 200; ++i) red.pixels.insert(red.pixels.end(), {200, 100, 50});
  const auto chip = align_face(red, Pattern{100, 100, 60, 0.1}.landmarks(), 16, 0.1);
  for (const auto level : chip) EXPECT_NEAR(level, 0.299 * 200 + 0.587 * 100 + 0.114 * 50, 1);
}

}  // namespace
}  // namespace emotion
