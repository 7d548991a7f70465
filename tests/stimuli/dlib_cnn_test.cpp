// dlib's CNN face detector with weights of the published file's form. The published values are not Debian's to give; here they
// are random, written by dlib itself, and its own detector with the same weights says what is to be found.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

#include <dlib/dnn.h>
#include <gtest/gtest.h>

#include "emotion/random.h"
#include "emotion/stimuli/faces.h"

#include "../support/scratch.h"

namespace emotion {
namespace {

template <long filters, typename Below>
using Strided = dlib::relu<dlib::affine<dlib::con<filters, 5, 5, 2, 2, Below>>>;
template <typename Below>
using Dense = dlib::relu<dlib::affine<dlib::con<45, 5, 5, 1, 1, Below>>>;
using Network = dlib::loss_mmod<
    dlib::con<1, 9, 9, 1, 1,
              Dense<Dense<Dense<Strided<32, Strided<32, Strided<16, dlib::input_rgb_image_pyramid<dlib::pyramid_down<6>>>>>>>>>>;

TEST(CnnFaces, AreThoseOfDlibWithTheSameWeights) {
  Image image{96, 80, std::vector<std::uint8_t>(96 * 80 * 3)};
  Random random{11};
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random.below(256));
  dlib::matrix<dlib::rgb_pixel> picture(image.height, image.width);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = image.row(y) + x * 3;
      picture(y, x) = dlib::rgb_pixel(pixel[0], pixel[1], pixel[2]);
    }
  }
  const std::vector<std::vector<dlib::mmod_rect>> boxes{{dlib::mmod_rect(dlib::rectangle(10, 10, 49, 49))}};
  Network network{dlib::mmod_options(boxes, 40, 40)};
  double threshold = -1e30;
  auto expected = network.process(picture, threshold);  // the first use draws the weights
  ASSERT_GT(expected.size(), 4U);
  threshold = (expected[2].detection_confidence + expected[3].detection_confidence) / 2;  // the best come first
  expected.resize(3);

  const ScratchFolder folder;
  network.clean();
  {
    std::ofstream out(folder.path() / "weights.dat", std::ios::binary);
    dlib::serialize(network, out);
  }
  FaceFinder finder(FaceOptions{.cnn = folder.path() / "weights.dat", .upsample = 0, .threshold = threshold});
  const auto found = finder.detect(image), again = finder.copy().detect(image);
  ASSERT_EQ(found.size(), expected.size());
  ASSERT_EQ(again.size(), expected.size());
  for (const auto& wanted : expected) {
    const auto same = std::find_if(found.begin(), found.end(), [&](const Face& face) {
      return face.box[0] == static_cast<float>(wanted.rect.left()) && face.box[1] == static_cast<float>(wanted.rect.top()) &&
             face.box[2] == static_cast<float>(wanted.rect.width()) && face.box[3] == static_cast<float>(wanted.rect.height());
    });
    ASSERT_NE(same, found.end());
    EXPECT_NEAR(same->score, wanted.detection_confidence, 1e-5);
  }
}

}  // namespace
}  // namespace emotion
